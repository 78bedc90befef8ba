import {
  type CloseOptions,
  InDoubtError,
  type Pool,
  type PoolEventName,
  type PoolListener,
  type PoolStats,
  type QueryResult,
  SessionStateError,
  type Statement,
  type Transaction,
  type TransactionOptions,
} from '@poolhouse/core'
import {
  EventHub,
  type PoolCall,
  PoolDecorator,
  RESET_AROUND,
  readCloseOptions,
  refuseLoneStatement,
  type WithResetAround,
} from '@poolhouse/core/kit'
import { annotationOf, type ReaderOptions } from '@poolhouse/read-replicas'
import { OF_THE_SERVERS } from '../cluster/database-view.js'
import type { DatabasePool } from '../options/database-pool.js'
import type { TenantGate } from './tenant-gate.js'

// What a function of one tenant left in a shared session must be there for no other, nor for those
// who borrow it beside the tenants.
const AROUND: WithResetAround = { [RESET_AROUND]: true }

/**
 * One tenant behind row-level security, on connections that all tenants share. Every call is a
 * transaction that begins with the settings the policies read; they end with it, whatever its end,
 * so that the next borrower finds none. What would outlive a transaction is refused, and what a
 * function leaves all the same is reset in front of the next borrower (not behind a pooler).
 */
export class ScopedDatabase extends PoolDecorator implements DatabasePool {
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
    super()
    this.name = name
    this.#hub = hub
    this.#base = base
    this.#pool = pool
    this.#settings = settings
    this.#gate = gate
  }

  protected send<R>(call: PoolCall<R>): Promise<R> {
    switch (call.kind) {
      case 'transaction':
        return this.#told(this.#gate.run(call, (timeoutMs) => call.run(this.#pool, { timeoutMs })))
      case 'query':
        return this.#alone(call.statement!, call) as Promise<R>
      case 'ready':
        return call.run(this.#pool)
      default:
        return this.#refuse(call.kind)
    }
  }

  override transaction<R>(
    work: (tx: Transaction) => Promise<R>,
    options?: TransactionOptions,
  ): Promise<R> {
    return super.transaction(work, { ...options, ...AROUND, openWith: this.#settings })
  }

  /** A statement in a transaction of its own. What was said of the one is said of the other. */
  async #alone(statement: Statement, call: PoolCall<unknown>): Promise<QueryResult> {
    refuseLoneStatement(statement)
    const { maxStalenessMs, maxStalenessBytes, timeoutMs, signal } = call
    // Its text is that of a transaction from here on, in which nobody looks for a hint.
    const intent = call.intent ?? annotationOf(statement.text)?.intent
    return await this.transaction((tx) => tx.query(statement), {
      readOnly: intent === undefined ? undefined : intent === 'read',
      maxStalenessMs,
      maxStalenessBytes,
      timeoutMs,
      signal,
    })
  }

  #told<R>(call: Promise<R>): Promise<R> {
    if (!this.#hub.has('in-doubt')) return call
    return call.catch((error: unknown) => {
      if (error instanceof InDoubtError)
        this.#hub.emit('in-doubt', { pool: this.name, node: this.#base.name, error })
      throw error
    })
  }

  /**
   * For what has no form behind row-level security: it rejects, and so does the first `next()` of a
   * stream.
   */
  #refuse(call: string): Promise<never> {
    const why =
      call === 'listen'
        ? 'cannot listen: channels are those of all tenants of the database; listen on the named database'
        : `has no ${call}(): row-level security is set for one transaction at a time; use transaction((tx) => …), which also streams and copies`
    return Promise.reject(new SessionStateError(`tenant pool "${this.name}" ${why}`))
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

  stats(): PoolStats {
    return this.#base.stats()
  }

  on<Name extends PoolEventName>(event: Name, listener: PoolListener<Name>): this {
    if (event === 'in-doubt') this.#hub.on(event, listener)
    // Those of the shared connections may be about anybody.
    else if (OF_THE_SERVERS.has(event)) this.#base.on(event, listener)
    return this
  }

  off<Name extends PoolEventName>(event: Name, listener: PoolListener<Name>): this {
    if (event === 'in-doubt') this.#hub.off(event, listener)
    else if (OF_THE_SERVERS.has(event)) this.#base.off(event, listener)
    return this
  }

  async close(options: CloseOptions = {}): Promise<void> {
    readCloseOptions(options)
  }
}

/**
 * The statement that sets what the policies read, until the transaction ends. Names and values are
 * bound, never part of the text.
 */
export function settingsStatement(settings: Readonly<Record<string, string>>): Statement {
  const pairs = Object.entries(settings)
  const calls = pairs.map(
    (_, index) => `pg_catalog.set_config($${2 * index + 1}, $${2 * index + 2}, true)`,
  )
  return { text: `select ${calls.join(', ')}`, values: pairs.flat() }
}
