import {
  type AcquireOptions,
  type ConnectionPool,
  DatabaseError,
  InDoubtError,
  type Lease,
  type QueryOptions,
  type QueryResult,
  type Statement,
  type Transaction,
  type TransactionOptions,
} from '@poolhouse/core'
import type { PoolCall } from '@poolhouse/core/kit'
import {
  type ChannelListener,
  formatEndpoint,
  hasCondition,
  isConflict,
  isRepeatable,
  KeyedWork,
  leasedCopyFrom,
  leasedCopyTo,
  leasedRows,
  refusesWrites,
} from '@poolhouse/core/kit'
import { fateOf } from '../base/fate.js'

type AcquireCall<R> = Extract<PoolCall<R>, { kind: 'acquire' }>
type ListenCall<R> = Extract<PoolCall<R>, { kind: 'listen' }>
type StreamingCall<R> = Extract<PoolCall<R>, { kind: 'stream' | 'copyTo' | 'copyFrom' }>

/** What is to be done after a failure: send the work again, or tell the caller. */
export type Decision =
  /**
   * `rerun`: it had been begun, so the time it took was work, and its time to wait starts anew.
   * `costs`: it comes out of the retry budget, unless the primary has changed; `error` is for the
   * caller if the budget is spent.
   */
  | {
      readonly kind: 'again'
      readonly rerun: boolean
      readonly costs: boolean
      readonly error: unknown
    }
  | { readonly kind: 'surface'; readonly error: unknown }

/**
 * Work of one call, on its way to a primary. It knows whether it may be sent again; when and where
 * is not its business.
 */
export interface Errand<R> {
  /** When the caller called. */
  readonly startedAt: number
  /** The caller's limit for the whole call, in milliseconds. */
  readonly timeoutMs: number | undefined
  readonly signal: AbortSignal | undefined
  /**
   * Whether the caller itself asked for read-only work: a refused write then says nothing about the
   * node.
   */
  readonly isReadOnly: boolean
  /** Whether it asks for a subscription, which ends with the pool. */
  readonly isListening: boolean
  /**
   * Hands the work to a node. `waitMs` is what is left of the time to wait, once the work has
   * waited.
   */
  send(pool: ConnectionPool, timeoutMs: number | undefined, waitMs?: number): Promise<R>
  /** What is to be done after it failed there. */
  decide(error: unknown, pool: ConnectionPool): Decision
  /** What the caller is told when it has failed for good, with this error. */
  surfaced(error: unknown): unknown
}

const FREE: Decision = { kind: 'again', rerun: false, costs: false, error: undefined }
const FREE_RERUN: Decision = { kind: 'again', rerun: true, costs: false, error: undefined }

/** What all errands share: their limits, and how often a read-only server may refuse them. */
abstract class BasicErrand<
  Options extends { timeoutMs?: number | undefined; signal?: AbortSignal | undefined },
> {
  readonly startedAt: number
  readonly options: Options | undefined
  #refusedBy: ConnectionPool | undefined

  constructor(options: Options | undefined, startedAt: number) {
    // As they are at the call, however often it is sent.
    this.options = options && { ...options }
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

  get isListening(): boolean {
    return false
  }

  surfaced(error: unknown): unknown {
    return error
  }

  /** The decision for work that was not begun. */
  protected unsent(error: unknown, pool: ConnectionPool): Decision {
    switch (fateOf(error)) {
      case 'resend':
        // What a server has refused was work for it; what never came to it was not.
        return error instanceof DatabaseError
          ? { kind: 'again', rerun: false, costs: true, error }
          : FREE
      case 'misrouted':
        // Refused twice by a server that has been verified in between: the session is read-only,
        // not the server.
        if (this.#refusedBy === pool) return { kind: 'surface', error }
        this.#refusedBy = pool
        return { kind: 'again', rerun: false, costs: true, error }
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
    return { kind: 'again', rerun: true, costs: true, error: lost }
  }
}

/** Whether a read-only transaction refused the statement: it writes, or ends transactions. */
function provesWrite(error: unknown): boolean {
  return refusesWrites(error) || hasCondition(error, 'invalid_transaction_termination')
}

/** What a call of a pool says about its limits. */
interface Limits {
  readonly timeoutMs: number | undefined
  readonly signal: AbortSignal | undefined
}

/** A lease for the caller. */
export class AcquireErrand<R> extends BasicErrand<Limits> implements Errand<R> {
  readonly #call: AcquireCall<R>

  /** Takes the call of `acquire`. */
  constructor(call: AcquireCall<R>, startedAt: number) {
    super(limitsOf(call), startedAt)
    this.#call = call
  }

  send(pool: ConnectionPool, timeoutMs: number | undefined, waitMs?: number): Promise<R> {
    return this.#call.run(pool, { timeoutMs: timeoutMs ?? waitMs })
  }

  decide(error: unknown, pool: ConnectionPool): Decision {
    return this.unsent(error, pool)
  }
}

/**
 * A stream up to its first element, or a copy. Nothing has been handed out before that, so what was
 * not sent, or was refused, may be sent again; but not a copy in that may have read from its
 * source.
 */
export class StreamErrand<R> extends BasicErrand<Limits> implements Errand<R> {
  readonly #call: StreamingCall<R>
  readonly #now: () => number
  #reads = false

  /** Takes the call of `stream`, `copyTo` or `copyFrom`. */
  constructor(call: StreamingCall<R>, now: () => number, startedAt: number) {
    super(limitsOf(call), startedAt)
    this.#call = call
    this.#now = now
  }

  send(pool: ConnectionPool, timeoutMs: number | undefined, waitMs?: number): Promise<R> {
    const call = this.#call
    const now = this.#now
    // What is left of the time to wait is for the connection alone.
    const lend = (wait: AcquireOptions): Promise<Lease> =>
      pool.acquire({ ...wait, timeoutMs: wait.timeoutMs ?? waitMs })
    const left = { timeoutMs }
    switch (call.kind) {
      case 'stream':
        return call.run({
          stream: (statement, options) => leasedRows(lend, statement, options),
        })
      case 'copyTo':
        return call.run({ copyTo: (sql, options) => leasedCopyTo(now, lend, sql, options) }, left)
      case 'copyFrom':
        return call.run(
          {
            copyFrom: (sql, source, options) =>
              leasedCopyFrom(now, (wait) => this.#lendToRead(lend, wait), sql, source, options),
          },
          left,
        )
    }
  }

  decide(error: unknown, pool: ConnectionPool): Decision {
    return this.#reads ? { kind: 'surface', error } : this.unsent(error, pool)
  }

  async #lendToRead(
    lend: (wait: AcquireOptions) => Promise<Lease>,
    wait: AcquireOptions,
  ): Promise<Lease> {
    const lease = await lend(wait)
    this.#reads = true
    return lease
  }
}

/**
 * A subscription. Its session follows the primary by itself; only the first LISTEN is an errand.
 */
export class ListenErrand<R> extends BasicErrand<Limits> implements Errand<R> {
  readonly #channels: ChannelListener
  readonly #call: ListenCall<R>

  /** Takes the call of `listen`. */
  constructor(call: ListenCall<R>, channels: ChannelListener, startedAt: number) {
    super(limitsOf(call), startedAt)
    this.#call = call
    this.#channels = channels
  }

  override get isListening(): boolean {
    return true
  }

  send(_pool: ConnectionPool, timeoutMs: number | undefined, waitMs?: number): Promise<R> {
    return this.#call.run(this.#channels, { timeoutMs: timeoutMs ?? waitMs })
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
 * A transaction. The node is never told to retry: it would do so on itself, while the next attempt
 * belongs to whoever is primary by then.
 */
export class TransactionErrand<R> extends BasicErrand<TransactionOptions> implements Errand<R> {
  readonly #work: (tx: Transaction) => Promise<R>
  readonly #keyed: KeyedWork<R> | undefined
  readonly #declared: number
  readonly #resolver: TransactionOptions['resolver']
  #attempts = 0
  #begun = false
  #interrupted = false

  /**
   * Takes checked arguments; `resolver` finds out what became of it, if its COMMIT gets no answer.
   */
  constructor(
    work: (tx: Transaction) => Promise<R>,
    options: TransactionOptions | undefined,
    startedAt: number,
    resolver: TransactionOptions['resolver'],
  ) {
    super(options, startedAt)
    const key = options?.idempotencyKey
    this.#declared = options?.retry?.attempts ?? 1
    this.#keyed =
      key === undefined ? undefined : new KeyedWork(key, work, options?.idempotencyScope)
    this.#work = work
    this.#resolver = options?.resolver ?? resolver
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
        return this.#keyed === undefined ? this.#work(tx) : this.#keyed.run(tx)
      },
      {
        ...this.options,
        timeoutMs,
        retry: undefined,
        idempotencyKey: undefined,
        resolver: this.#resolver,
      },
    )
  }

  decide(error: unknown, pool: ConnectionPool): Decision {
    if (!this.#begun) return this.unsent(error, pool)
    if (this.#keyed !== undefined) {
      if (this.#keyed.marking && fateOf(error) === 'misrouted') return this.unsent(error, pool)
      if (this.#keyed.repeats(error)) return this.#afterInterruption()
    }
    if (this.#attempts >= this.#declared || !isRepeatable(error, this.isReadOnly)) {
      return { kind: 'surface', error }
    }
    // A conflict is how a healthy server works under load, and the caller has said how often it may
    // be met.
    return isConflict(error) ? FREE_RERUN : { kind: 'again', rerun: true, costs: true, error }
  }

  override surfaced(error: unknown): unknown {
    return this.#keyed === undefined ? error : this.#keyed.surfaced(error)
  }

  /**
   * With a key it is tried until the outcome is known; its time to wait runs on from the first
   * interruption.
   */
  #afterInterruption(): Decision {
    this.#attempts--
    if (this.#interrupted) return FREE
    this.#interrupted = true
    return FREE_RERUN
  }
}

function limitsOf({ timeoutMs, signal }: Limits): Limits {
  return { timeoutMs, signal }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
