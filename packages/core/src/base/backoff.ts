import { own } from './own.js'
/** How delays grow between attempts. */
export interface BackoffOptions {
  /** First delay in milliseconds. */
  readonly baseMs: number
  /** Longest delay in milliseconds. */
  readonly maxMs: number
  /** Random source from 0 (included) to 1 (excluded). */
  readonly random: () => number
}

/**
 * Exponential delays with jitter: each is drawn between half of its nominal length and the whole of
 * it.
 */
export class Backoff {
  readonly #options: BackoffOptions
  /** Failures since the last success. */
  readonly failures: number = 0

  /** Starts without a failure. */
  constructor(options: BackoffOptions) {
    this.#options = options
  }

  /** Counts a failure and returns how long to wait before the next attempt, in milliseconds. */
  next(): number {
    const { baseMs, maxMs, random } = this.#options
    const nominal = Math.min(maxMs, baseMs * 2 ** Math.min(this.failures, 30))
    own<Backoff>(this).failures++
    return nominal * (0.5 + random() / 2)
  }

  /** Forgets the failures. */
  reset(): void {
    own<Backoff>(this).failures = 0
  }
}
