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
  #failures = 0

  /** Starts without a failure. */
  constructor(options: BackoffOptions) {
    this.#options = options
  }

  /** Failures since the last success. */
  get failures(): number {
    return this.#failures
  }

  /** Counts a failure and returns how long to wait before the next attempt, in milliseconds. */
  next(): number {
    const { baseMs, maxMs, random } = this.#options
    const nominal = Math.min(maxMs, baseMs * 2 ** Math.min(this.#failures, 30))
    this.#failures++
    return nominal * (0.5 + random() / 2)
  }

  /** Forgets the failures. */
  reset(): void {
    this.#failures = 0
  }
}
