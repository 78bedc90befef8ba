import type {
  AcquireOptions,
  Lease,
  Pool,
  QueryOptions,
  QueryResult,
  Statement,
  Transaction,
  TransactionOptions,
} from '@poolhouse/core'
import { InDoubtError } from '@poolhouse/core'
import {
  BEGIN_FIRST,
  checkQueryOptions,
  isRepeatable,
  standsFor,
  watchSignal,
} from '@poolhouse/core/kit'
import { type AfterFailure, afterFailure, isStandbyRefusal } from '../base/read-failure.js'
import {
  acquireReadOnly,
  BEGIN_REPEATABLE_READ,
  queryReadOnly,
  SET_REPEATABLE_READ,
  useReadOnly,
} from './read-only.js'

/** A server to run a read on. */
export interface ReadTarget {
  /** Connections to it. */
  readonly pool: Pool
  /** Whether it would carry out writes, so that reads must run read-only. */
  readonly writable: boolean
  /**
   * Whether reads must run as REPEATABLE READ: it is a standby, and its role or database is set to
   * SERIALIZABLE. Default false.
   */
  readonly repeatableRead?: boolean
}

/**
 * One read of a caller. It can run on any node, and again on another one until it has had an effect
 * on the caller's side.
 */
export interface ReadCall<R> {
  /** The caller's limit for the whole call, in milliseconds. */
  readonly timeoutMs: number | undefined
  /** The caller's signal. */
  readonly signal: AbortSignal | undefined
  /**
   * Runs it on the server. `remainingMs` returns what is left of the limit. `ended` is called when
   * the server has nothing more to do for the call. `stop` ends a repeatable call when another node
   * has answered.
   */
  run(
    target: ReadTarget,
    remainingMs: () => number | undefined,
    ended: () => void,
    stop?: AbortSignal,
  ): Promise<R>
  /**
   * Whether it may run on two nodes at once: a single statement, which shows nothing before its
   * `QueryResult`.
   */
  readonly repeatable: boolean
  /**
   * The call was answered with data that were at most this old when it was sent, in milliseconds.
   */
  answered?(value: R, stalenessMs: number): void
  /** How it may go on after this error: see `afterFailure`. */
  after(error: unknown): AfterFailure
  /**
   * It has failed for good with this error. Rejects with what the caller gets, or takes a way that
   * is not the runner's. Default: the caller gets the error.
   */
  failed?(error: unknown): Promise<R>
  /** Whether code of the caller has run, so that an error may have any origin. */
  readonly started: boolean
  /**
   * The text of its statement, if it is a single one. Refusals by standbys are remembered by it.
   */
  readonly text?: string
  /** How often it may be sent again; default: as often as the pool's options say. */
  readonly resends?: number
}

/** A read that may run on the primary as a statement that is not declared a read. */
export interface UndeclaredRead<R> extends ReadCall<R> {
  /** Whether it runs that way there. */
  readonly isUndeclared: boolean
  /** Runs it on the primary that way, with all the time that the call has. */
  runUndeclared(): Promise<R>
}

/** A signal that fires when one of the two does. */
export function eitherSignal(
  one: AbortSignal | undefined,
  other: AbortSignal | undefined,
): AbortSignal | undefined {
  return one === undefined || other === undefined ? (one ?? other) : AbortSignal.any([one, other])
}

/** A single statement. */
export class QueryRead<Row> implements ReadCall<QueryResult<Row>> {
  readonly timeoutMs: number | undefined
  readonly signal: AbortSignal | undefined
  readonly started: boolean = false
  readonly repeatable: boolean = true
  readonly text: string
  readonly #statement: Statement
  readonly #options: QueryOptions

  /**
   * Takes the arguments of `query`. Throws for wrong options, because on the primary not all of
   * them reach the pool.
   */
  constructor(statement: Statement, options: QueryOptions = {}) {
    checkQueryOptions(options)
    this.#statement = statement
    this.text = statement.text
    this.#options = options
    this.timeoutMs = options.timeoutMs
    this.signal = options.signal
  }

  run(
    { pool, writable, repeatableRead = false }: ReadTarget,
    remainingMs: () => number | undefined,
    ended: () => void,
    stop?: AbortSignal,
  ): Promise<QueryResult<Row>> {
    const signal = eitherSignal(this.signal, stop)
    if (!writable && !repeatableRead) {
      const options = { ...this.#options, signal, timeoutMs: remainingMs() }
      return pool.query<Row>(this.#statement, options).finally(ended)
    }
    const isLimited = signal !== undefined || this.timeoutMs !== undefined
    const limits = (): QueryOptions | undefined =>
      isLimited ? { signal, timeoutMs: remainingMs() } : undefined
    const begin = repeatableRead ? BEGIN_REPEATABLE_READ : undefined
    return queryReadOnly<Row>(pool, this.#statement, limits, ended, begin)
  }

  answered(result: QueryResult<Row>, stalenessMs: number): void {
    result.stalenessMs = stalenessMs
  }

  after(error: unknown): AfterFailure {
    return afterFailure(error)
  }
}

/**
 * A connection for the caller, who may do anything with it. So only the wait for it can move to
 * another node.
 */
export class AcquireRead implements ReadCall<Lease> {
  readonly timeoutMs: number | undefined
  readonly signal: AbortSignal | undefined
  readonly started: boolean = false
  readonly repeatable: boolean = false
  readonly #options: AcquireOptions

  /** Takes the arguments of `acquire`. */
  constructor(options: AcquireOptions = {}) {
    this.#options = { ...options }
    this.timeoutMs = options.timeoutMs
    this.signal = options.signal
  }

  async run(
    { pool, writable, repeatableRead = false }: ReadTarget,
    remainingMs: () => number | undefined,
    ended: () => void,
  ): Promise<Lease> {
    const options = { ...this.#options, timeoutMs: remainingMs() }
    try {
      const set = repeatableRead ? SET_REPEATABLE_READ : undefined
      const lease = await (writable || repeatableRead
        ? acquireReadOnly(pool, options, set)
        : pool.acquire(options))
      // The signal fires however the lease ends.
      const { signal } = lease
      if (signal.aborted) ended()
      else watchSignal(signal, ended)
      return lease
    } catch (error) {
      ended()
      throw error
    }
  }

  after(error: unknown): AfterFailure {
    return afterFailure(error)
  }
}

/** Work on a connection. `work` is called at most once. */
export class UseRead<R> implements ReadCall<R> {
  readonly timeoutMs: number | undefined
  readonly signal: AbortSignal | undefined
  readonly repeatable: boolean = false
  started = false
  readonly #options: AcquireOptions
  readonly #work: (lease: Lease) => Promise<R>

  /** Takes the arguments of `use`. */
  constructor(work: (lease: Lease) => Promise<R>, options: AcquireOptions = {}) {
    this.#work = work
    this.#options = { ...options }
    this.timeoutMs = options.timeoutMs
    this.signal = options.signal
  }

  run(
    { pool, writable, repeatableRead = false }: ReadTarget,
    remainingMs: () => number | undefined,
    ended: () => void,
  ): Promise<R> {
    const begin = (lease: Lease): Promise<R> => {
      this.started = true
      return this.#work(lease)
    }
    const options = { ...this.#options, timeoutMs: remainingMs() }
    const set = repeatableRead ? SET_REPEATABLE_READ : undefined
    const result =
      writable || repeatableRead ? useReadOnly(pool, begin, options, set) : pool.use(begin, options)
    return result.finally(ended)
  }

  after(error: unknown): AfterFailure {
    return this.started ? 'final' : afterFailure(error)
  }
}

/**
 * A read-only transaction. It runs on one node. It moves to another node as a whole, before `work`
 * is called or if `retry` allows it.
 */
export class TransactionRead<R> implements ReadCall<R> {
  readonly timeoutMs: number | undefined
  readonly signal: AbortSignal | undefined
  readonly resends: number
  readonly repeatable: boolean = false
  started = false
  readonly #options: TransactionOptions
  readonly #work: (tx: Transaction) => Promise<R>
  #attemptsLeft: number

  /** Takes the arguments of `transaction`. */
  constructor(work: (tx: Transaction) => Promise<R>, options: TransactionOptions) {
    this.#work = work
    this.#options = { ...options }
    this.timeoutMs = options.timeoutMs
    this.signal = options.signal
    this.#attemptsLeft = options.retry?.attempts ?? 1
    this.resends = this.#attemptsLeft - 1
  }

  async run(
    { pool, writable, repeatableRead = false }: ReadTarget,
    remainingMs: () => number | undefined,
    ended: () => void,
  ): Promise<R> {
    this.started = false
    let value: { readonly is: R } | undefined
    const begin = async (tx: Transaction): Promise<R> => {
      this.started = true
      value = undefined
      const is = await this.#work(tx)
      value = { is }
      return is
    }
    try {
      return await pool.transaction(standsFor(this.#work, begin), {
        ...this.#options,
        readOnly: true,
        ...(repeatableRead && this.#options.isolation === undefined
          ? { isolation: 'repeatable read' as const }
          : {}),
        timeoutMs: remainingMs(),
        // Another attempt goes to another node, except on the primary.
        retry: writable ? { attempts: Math.max(1, this.#attemptsLeft) } : undefined,
        // What could not be begun goes to another node, with its work not called yet.
        [BEGIN_FIRST]: true,
      } as TransactionOptions)
    } catch (error) {
      // A COMMIT without an answer leaves nothing in doubt, because nothing was written.
      if (value !== undefined && error instanceof InDoubtError) return value.is
      throw error
    } finally {
      if (this.started) this.#attemptsLeft--
      ended()
    }
  }

  after(error: unknown): AfterFailure {
    if (this.started) {
      if (isStandbyRefusal(error)) return this.#attemptsLeft > 0 ? 'primary' : 'final'
      return isRepeatable(error, true) && this.#attemptsLeft > 0 ? 'sent' : 'final'
    }
    const way = afterFailure(error)
    return way === 'sent' ? 'unsent' : way
  }
}
