import type { QueryOptions } from '../api/statement.js'
import type { TransactionOptions } from '../api/transaction.js'
import type { Clock, ClockTimer } from '../base/clock.js'

// A COMMIT that is cancelled is rarely undone, and one that waits for its standbys becomes a local
// commit: its own answer is worth a short wait.
const COMMIT_PATIENCE_MS = 100

/**
 * What may end a transaction from outside: its `timeoutMs` and its `signal`. Made only for a
 * transaction that has one of them.
 */
export class TransactionLimits {
  readonly #clock: Clock
  readonly #deadline: number
  // Aborts every statement in flight or queued when the transaction is stopped.
  readonly #abort = new AbortController()
  #patience: ClockTimer | undefined

  private constructor(clock: Clock, timeoutMs: number | undefined) {
    this.#clock = clock
    this.#deadline = timeoutMs === undefined ? Number.POSITIVE_INFINITY : clock.now() + timeoutMs
  }

  /** The limits of a transaction with these options; undefined if it has none. Its time begins. */
  static of(clock: Clock, options: TransactionOptions): TransactionLimits | undefined {
    const { timeoutMs, signal } = options
    if (timeoutMs === undefined && signal === undefined) return undefined
    return new TransactionLimits(clock, timeoutMs)
  }

  /** Fires when the transaction is stopped. */
  get signal(): AbortSignal {
    return this.#abort.signal
  }

  /** Ends all statements of the transaction. */
  stop(error: Error): void {
    this.#abort.abort(error)
  }

  /** Ends a COMMIT under way, after a short wait for its own answer. */
  stopCommit(reason: unknown): void {
    const cancel = (): void => this.#abort.abort(reason)
    this.#patience = this.#clock.setTimer(cancel, COMMIT_PATIENCE_MS, { keepAlive: true })
  }

  /** COMMIT was answered. */
  committed(): void {
    this.#patience?.cancel()
  }

  /** The time that a statement has, in milliseconds: the least of its own and what is left. */
  timeoutMs(own: number | undefined): number | undefined {
    if (this.#deadline === Number.POSITIVE_INFINITY) return own
    const left = Math.max(1, this.#deadline - this.#clock.now())
    return Math.min(left, own ?? left)
  }

  /** A signal that fires with the caller's, and when the transaction is stopped. */
  with(signal: AbortSignal | undefined): AbortSignal {
    return signal === undefined ? this.#abort.signal : AbortSignal.any([this.#abort.signal, signal])
  }
}

/** The limits of a call that has waited for `waitedMs` already. */
export function less<Options extends Pick<QueryOptions, 'timeoutMs'>>(
  options: Options | undefined,
  waitedMs: number,
): Options | undefined {
  if (options?.timeoutMs === undefined || waitedMs === 0) return options
  return { ...options, timeoutMs: Math.max(1, options.timeoutMs - waitedMs) }
}
