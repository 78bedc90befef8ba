import {
  type AcquireOptions,
  type CopyOptions,
  type CopyResult,
  type CopySource,
  EventHub,
  InDoubtError,
  type Lease,
  type ListenOptions,
  type NotifyListener,
  type Pool,
  type PoolEventName,
  type PoolListener,
  type PoolStats,
  type QueryOptions,
  type QueryResult,
  RESET_AROUND,
  type ReadyOptions,
  readQueryArguments,
  refuseLoneStatement,
  SessionStateError,
  type Statement,
  type StreamIterator,
  type StreamOptions,
  type Subscription,
  type Transaction,
  type TransactionOptions,
  type WithResetAround,
} from '@poolhouse/core'
import type { ReaderOptions } from '@poolhouse/read-replicas'
import { OF_THE_CLUSTER } from '../cluster/database-view.js'
import type { DatabasePool } from '../database-pool.js'
import type { TenantGate } from './tenant-gate.js'

// What a function of one tenant left in a shared session must be there for no other, nor for those who borrow it beside the tenants.
const AROUND: WithResetAround = { [RESET_AROUND]: true }

/**
 * One tenant behind row-level security, on connections that all tenants share. Every call is a transaction that begins with the settings
 * the policies read; they end with it, whatever its end, so that the next borrower finds none. What would outlive a transaction is refused, and
 * what a function leaves all the same is reset in front of the next borrower (not behind a pooler).
 */
export class ScopedDatabase implements DatabasePool {
  readonly name: string
  readonly #pool: Pool
  readonly #base: DatabasePool
  readonly #settings: Statement
  readonly #gate: TenantGate
  // What its own calls have to tell. Those of the connections are about anybody.
  readonly #hub: EventHub

  /** `pool` is the base, or a reader of it. */
  constructor(
    name: string,
    base: DatabasePool,
    pool: Pool,
    settings: Statement,
    gate: TenantGate,
    hub: EventHub = new EventHub(),
  ) {
    this.name = name
    this.#hub = hub
    this.#base = base
    this.#pool = pool
    this.#settings = settings
    this.#gate = gate
  }

  async query<Row = Record<string, unknown>>(
    first: string | Statement,
    second?: readonly unknown[] | QueryOptions,
    third?: QueryOptions,
  ): Promise<QueryResult<Row>> {
    const { statement, options = {} } = readQueryArguments(first, second, third)
    refuseLoneStatement(statement)
    const { intent, maxStalenessMs, timeoutMs, signal } = options
    const readOnly = intent === 'read'
    const pool =
      readOnly && maxStalenessMs !== undefined ? this.#base.reader({ maxStalenessMs }) : this.#pool
    return await this.#run(pool, (tx) => tx.query<Row>(statement), {
      timeoutMs,
      signal,
      ...(readOnly ? { readOnly } : {}),
    })
  }

  async transaction<R>(
    work: (tx: Transaction) => Promise<R>,
    options: TransactionOptions = {},
  ): Promise<R> {
    if (typeof work !== 'function') {
      throw new TypeError(`transaction: work must be a function, got ${typeof work}`)
    }
    return await this.#run(this.#pool, work, { ...options })
  }

  #run<R>(
    pool: Pool,
    work: (tx: Transaction) => Promise<R>,
    options: TransactionOptions,
  ): Promise<R> {
    const call = this.#gate.run(options, (timeoutMs) =>
      pool.transaction(work, { ...options, ...AROUND, timeoutMs, openWith: this.#settings }),
    )
    if (!this.#hub.has('in-doubt')) return call
    return call.catch((error: unknown) => {
      if (error instanceof InDoubtError)
        this.#hub.emit('in-doubt', { pool: this.name, node: this.#base.name, error })
      throw error
    })
  }

  acquire(_options?: AcquireOptions): Promise<Lease> {
    return Promise.reject(this.#refusal('acquire'))
  }

  use<R>(_work: (lease: Lease) => Promise<R>, _options?: AcquireOptions): Promise<R> {
    return Promise.reject(this.#refusal('use'))
  }

  stream<Row = Record<string, unknown>>(
    _first: string | Statement,
    _second?: readonly unknown[] | StreamOptions,
    _third?: StreamOptions,
  ): StreamIterator<Row> {
    throw this.#refusal('stream')
  }

  copyTo(_sql: string, _options?: CopyOptions): StreamIterator<Uint8Array> {
    throw this.#refusal('copyTo')
  }

  copyFrom(_sql: string, _source: CopySource, _options?: CopyOptions): Promise<CopyResult> {
    return Promise.reject(this.#refusal('copyFrom'))
  }

  listen(
    _channel: string,
    _onNotify: NotifyListener,
    _options?: ListenOptions,
  ): Promise<Subscription> {
    return Promise.reject(
      new SessionStateError(
        `tenant pool "${this.name}" cannot listen: channels are those of all tenants of the database; listen on the named database`,
      ),
    )
  }

  reader(options?: ReaderOptions): Pool {
    return new ScopedDatabase(
      `${this.name}/reader`,
      this.#base,
      this.#base.reader(options),
      this.#settings,
      this.#gate,
      this.#hub,
    )
  }

  ready(options?: ReadyOptions): Promise<void> {
    return this.#pool.ready(options)
  }

  stats(): PoolStats {
    return this.#base.stats()
  }

  on<Name extends PoolEventName>(event: Name, listener: PoolListener<Name>): this {
    if (event === 'in-doubt') this.#hub.on(event, listener)
    // Those of the shared connections may be about anybody.
    else if (OF_THE_CLUSTER.has(event)) this.#base.on(event, listener)
    return this
  }

  off<Name extends PoolEventName>(event: Name, listener: PoolListener<Name>): this {
    if (event === 'in-doubt') this.#hub.off(event, listener)
    else if (OF_THE_CLUSTER.has(event)) this.#base.off(event, listener)
    return this
  }

  async close(): Promise<void> {}

  async [Symbol.asyncDispose](): Promise<void> {}

  #refusal(call: string): SessionStateError {
    return new SessionStateError(
      `tenant pool "${this.name}" has no ${call}(): row-level security is set for one transaction at a time; use transaction((tx) => …), which also streams and copies`,
    )
  }
}

/** The statement that sets what the policies read, until the transaction ends. Names and values are bound, never part of the text. */
export function settingsStatement(settings: Readonly<Record<string, string>>): Statement {
  const pairs = Object.entries(settings)
  const calls = pairs.map(
    (_, index) => `pg_catalog.set_config($${2 * index + 1}, $${2 * index + 2}, true)`,
  )
  return { text: `select ${calls.join(', ')}`, values: pairs.flat() }
}
