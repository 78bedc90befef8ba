import {
  type AcquireOptions,
  type ConnectionPool,
  DatabaseError,
  formatEndpoint,
  InDoubtError,
  type Lease,
  type QueryOptions,
  type QueryResult,
  type Statement,
  type Transaction,
  type TransactionOptions,
} from '@poolhouse/core'
import { fateOf, isRepeatable } from './outcome.js'

/** What is to be done after a failure: send the work again, or tell the caller. */
export type Decision =
  /** `rerun`: it had been begun, so the time it took was work, and its time to wait starts anew. */
  | { readonly kind: 'again'; readonly rerun: boolean }
  | { readonly kind: 'surface'; readonly error: unknown }

/** Work of one call, on its way to a primary. It knows whether it may be sent again; when and where is not its business. */
export interface Errand<R> {
  /** When the caller called. */
  readonly startedAt: number
  /** The caller's limit for the whole call, in milliseconds. */
  readonly timeoutMs: number | undefined
  readonly signal: AbortSignal | undefined
  /** Whether the caller itself asked for read-only work: a refused write then says nothing about the node. */
  readonly isReadOnly: boolean
  /** Hands the work to a node. `waitMs` is what is left of the time to wait, once the work has waited. */
  send(pool: ConnectionPool, timeoutMs: number | undefined, waitMs?: number): Promise<R>
  /** What is to be done after it failed there. */
  decide(error: unknown, pool: ConnectionPool): Decision
}

const AGAIN: Decision = { kind: 'again', rerun: false }
const RERUN: Decision = { kind: 'again', rerun: true }

/** What all errands share: their limits, and how often a read-only server may refuse them. */
abstract class BasicErrand<
  Options extends { timeoutMs?: number | undefined; signal?: AbortSignal | undefined },
> {
  readonly startedAt: number
  readonly options: Options | undefined
  #refusedBy: ConnectionPool | undefined

  constructor(options: Options | undefined, startedAt: number) {
    this.options = options
    this.startedAt = startedAt
  }

  get timeoutMs(): number | undefined {
    return this.options?.timeoutMs
  }

  get signal(): AbortSignal | undefined {
    return this.options?.signal
  }

  get isReadOnly(): boolean {
    return false
  }

  /** The decision for work that was not begun. */
  protected unsent(error: unknown, pool: ConnectionPool): Decision {
    switch (fateOf(error)) {
      case 'resend':
        return AGAIN
      case 'misrouted':
        // Refused twice by a server that has been verified in between: the session is read-only, not the server.
        if (this.#refusedBy === pool) return { kind: 'surface', error }
        this.#refusedBy = pool
        return AGAIN
      case 'in-doubt':
      case 'surface':
        return { kind: 'surface', error }
    }
  }
}

/** One statement. */
export class QueryErrand<Row>
  extends BasicErrand<QueryOptions>
  implements Errand<QueryResult<Row>>
{
  readonly #statement: Statement
  // How a declared read was lost, when it has been sent again.
  #lost: InDoubtError | undefined

  /** Takes the statement in its one shape. */
  constructor(statement: Statement, options: QueryOptions | undefined, startedAt: number) {
    super(options, startedAt)
    this.#statement = statement
  }

  override get isReadOnly(): boolean {
    return this.#lost !== undefined
  }

  send(pool: ConnectionPool, timeoutMs: number | undefined): Promise<QueryResult<Row>> {
    if (this.#lost === undefined) {
      return pool.query<Row>(this.#statement, { ...this.options, timeoutMs })
    }
    // A read may call a function that writes. Where that is refused, nothing can be done twice.
    return pool.transaction((tx) => tx.query<Row>(this.#statement), {
      readOnly: true,
      timeoutMs,
      signal: this.signal,
    })
  }

  decide(error: unknown, pool: ConnectionPool): Decision {
    if (this.#lost !== undefined && provesWrite(error))
      return { kind: 'surface', error: this.#lost }
    if (fateOf(error) !== 'in-doubt') return this.unsent(error, pool)
    const where = `"${pool.name}" (${formatEndpoint(pool.endpoint)})`
    const lost = new InDoubtError(
      `the statement was sent to ${where} and got no answer, so it may or may not have been executed: ${messageOf(error)}`,
      error,
    )
    if (this.options?.intent !== 'read' || this.#lost !== undefined) {
      return { kind: 'surface', error: lost }
    }
    this.#lost = lost
    return RERUN
  }
}

/** Whether a read-only transaction refused the statement: it writes (25006) or ends transactions (2D000). */
function provesWrite(error: unknown): boolean {
  return error instanceof DatabaseError && (error.code === '25006' || error.code === '2D000')
}

/** A lease for the caller. */
export class AcquireErrand extends BasicErrand<AcquireOptions> implements Errand<Lease> {
  send(pool: ConnectionPool, timeoutMs: number | undefined, waitMs?: number): Promise<Lease> {
    return pool.acquire({ ...this.options, timeoutMs: timeoutMs ?? waitMs })
  }

  decide(error: unknown, pool: ConnectionPool): Decision {
    return this.unsent(error, pool)
  }
}

/** Work with a lease. Once begun it is the caller's own. */
export class UseErrand<R> extends BasicErrand<AcquireOptions> implements Errand<R> {
  readonly #work: (lease: Lease) => Promise<R>
  #begun = false

  /** Takes the caller's callback. */
  constructor(
    work: (lease: Lease) => Promise<R>,
    options: AcquireOptions | undefined,
    startedAt: number,
  ) {
    super(options, startedAt)
    this.#work = work
  }

  send(pool: ConnectionPool, timeoutMs: number | undefined, waitMs?: number): Promise<R> {
    return pool.use(
      (lease) => {
        this.#begun = true
        return this.#work(lease)
      },
      { ...this.options, timeoutMs: timeoutMs ?? waitMs },
    )
  }

  decide(error: unknown, pool: ConnectionPool): Decision {
    return this.#begun ? { kind: 'surface', error } : this.unsent(error, pool)
  }
}

/**
 * A transaction. The node is never told to retry: it would do so on itself, while the next attempt belongs to whoever is
 * primary by then.
 */
export class TransactionErrand<R> extends BasicErrand<TransactionOptions> implements Errand<R> {
  readonly #work: (tx: Transaction) => Promise<R>
  #attempts = 0
  #begun = false

  /** Takes the caller's callback. */
  constructor(
    work: (tx: Transaction) => Promise<R>,
    options: TransactionOptions | undefined,
    startedAt: number,
  ) {
    super(options, startedAt)
    this.#work = work
  }

  override get isReadOnly(): boolean {
    return this.options?.readOnly === true
  }

  send(pool: ConnectionPool, timeoutMs: number | undefined): Promise<R> {
    this.#begun = false
    return pool.transaction(
      (tx) => {
        this.#begun = true
        this.#attempts++
        return this.#work(tx)
      },
      { ...this.options, timeoutMs, retry: undefined },
    )
  }

  decide(error: unknown, pool: ConnectionPool): Decision {
    if (!this.#begun) return this.unsent(error, pool)
    const declared = this.options?.retry?.attempts ?? 1
    return this.#attempts < declared && isRepeatable(error) ? RERUN : { kind: 'surface', error }
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
