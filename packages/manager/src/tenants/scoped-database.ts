import {
  InDoubtError,
  type Pool,
  type PoolEventName,
  type PoolListener,
  type QueryResult,
  SessionStateError,
  type Statement,
  type Transaction,
  type TransactionOptions,
} from '@poolhouse/core'
import {
  EventHub,
  type PoolCall,
  PoolView,
  RESET_AROUND,
  refuseLoneStatement,
  SERVER_EVENTS,
  type WithResetAround,
} from '@poolhouse/core/kit'
import { annotationOf, type ReaderOptions } from '@poolhouse/read-replicas'
import type { DatabasePool } from '../options/database-pool.js'
import type { TenantGate } from './tenant-gate.js'

// A function called by one tenant may change the session. The reset hides that from every other
// borrower.
const AROUND: WithResetAround = { [RESET_AROUND]: true }

/**
 * One tenant behind row-level security, on connections that all tenants share. Every call is a
 * transaction that starts with the settings that the policies read; they end with the transaction.
 * Calls that would outlive a transaction are refused. What a function leaves in the session anyway
 * is reset before the next borrower's first statement (not behind a pooler).
 */
export class ScopedDatabase extends PoolView<DatabasePool> implements DatabasePool {
  readonly #pool: Pool
  readonly #settings: Statement
  readonly #gate: TenantGate
  // Events of its own calls. Events of the shared connections may be about other tenants.
  readonly #hub: EventHub

  /** `pool` is `base` or a reader of it; `settings` starts each transaction. */
  constructor(
    name: string,
    base: DatabasePool,
    pool: Pool,
    settings: Statement,
    gate: TenantGate,
    hub: EventHub = new EventHub(),
  ) {
    super(name, base)
    this.#hub = hub
    this.#pool = pool
    this.#settings = settings
    this.#gate = gate
  }

  protected send<R>(call: PoolCall<R>): Promise<R> {
    switch (call.kind) {
      case 'transaction':
        return this.#reportDoubt(
          this.#gate.run(call, (timeoutMs) => call.run(this.#pool, { timeoutMs })),
        )
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
  ): Promise<R>
  override transaction(
    statements: readonly (Statement | string)[],
    options?: TransactionOptions,
  ): Promise<QueryResult[]>
  override transaction(
    work: ((tx: Transaction) => Promise<unknown>) | readonly (Statement | string)[],
    options?: TransactionOptions,
  ): Promise<unknown> {
    return super.transaction(work as never, { ...options, ...AROUND, openWith: this.#settings })
  }

  /** Runs a statement in its own transaction, with the options of the statement. */
  async #alone(statement: Statement, call: PoolCall<unknown>): Promise<QueryResult> {
    refuseLoneStatement(statement)
    const { maxStalenessMs, maxStalenessBytes, timeoutMs, signal } = call
    // Read the hint comment now: inside a transaction it is not looked for.
    const intent = call.intent ?? annotationOf(statement.text)?.intent
    return await this.transaction((tx) => tx.query(statement), {
      readOnly: intent === undefined ? undefined : intent === 'read',
      maxStalenessMs,
      maxStalenessBytes,
      timeoutMs,
      signal,
    })
  }

  #reportDoubt<R>(call: Promise<R>): Promise<R> {
    if (!this.#hub.has('in-doubt')) return call
    return call.catch((error: unknown) => {
      if (error instanceof InDoubtError)
        this.#hub.emit('in-doubt', { pool: this.name, node: this.whole.name, error })
      throw error
    })
  }

  /**
   * Rejects a call that is not possible behind row-level security; a stream at its first `next()`.
   */
  #refuse(call: string): Promise<never> {
    const why =
      call === 'listen'
        ? 'cannot listen: all tenants of the database share its channels; listen on the named database'
        : `has no ${call}(): row-level security is set for one transaction at a time; use transaction((tx) => …), which also streams and copies`
    return Promise.reject(new SessionStateError(`tenant pool "${this.name}" ${why}`))
  }

  reader(options?: ReaderOptions): Pool {
    return new ScopedDatabase(
      `${this.name}/reader`,
      this.whole,
      this.whole.reader(options),
      this.#settings,
      this.#gate,
      this.#hub,
    )
  }

  override on<Name extends PoolEventName>(event: Name, listener: PoolListener<Name>): this {
    if (event === 'in-doubt') this.#hub.on(event, listener)
    // Events of the shared connections may be about other tenants.
    else if (SERVER_EVENTS.has(event)) this.whole.on(event, listener)
    return this
  }

  override off<Name extends PoolEventName>(event: Name, listener: PoolListener<Name>): this {
    if (event === 'in-doubt') this.#hub.off(event, listener)
    else if (SERVER_EVENTS.has(event)) this.whole.off(event, listener)
    return this
  }
}

/**
 * Returns the statement that sets what the policies read, until the transaction ends. Names and
 * values are bound parameters, never part of the text.
 */
export function settingsStatement(settings: Readonly<Record<string, string>>): Statement {
  const pairs = Object.entries(settings)
  const calls = pairs.map(
    (_, index) => `pg_catalog.set_config($${2 * index + 1}, $${2 * index + 2}, true)`,
  )
  return { text: `select ${calls.join(', ')}`, values: pairs.flat() }
}
