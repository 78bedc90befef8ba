import type { OverloadOptions } from '../options/overload-options.js'

/**
 * Tells a burst from a standing queue, after CoDel (Nichols and Jacobson 2012) as Elixir's
 * DBConnection applies it to pools: if even the shortest wait of an interval was above the target,
 * the queue does not drain. Callers that have waited more than twice the target are then refused
 * until a wait falls below the target. A new caller is refused at once when its limit is shorter
 * than the last wait.
 */
export class Overload {
  /** What is acceptable. */
  readonly options: OverloadOptions
  #intervalEnd = 0
  #shortest = Number.POSITIVE_INFINITY
  #shedding = false
  #lastWait = 0

  /** Sheds no load at first. */
  constructor(options: OverloadOptions) {
    this.options = options
  }

  /** A caller that has waited for `waitMs` is next. Returns whether to serve it. */
  admit(waitMs: number, now: number): boolean {
    const { targetMs, intervalMs } = this.options
    if (now >= this.#intervalEnd) {
      this.#shedding = this.#shortest !== Number.POSITIVE_INFINITY && this.#shortest > targetMs
      this.#intervalEnd = now + intervalMs
      this.#shortest = Number.POSITIVE_INFINITY
    }
    if (waitMs < this.#shortest) this.#shortest = waitMs
    if (waitMs <= targetMs) this.#shedding = false
    const served = !this.#shedding || waitMs <= targetMs * 2
    if (served) this.#lastWait = waitMs
    return served
  }

  /**
   * The wait of the caller that was served last, in milliseconds, if load is shed and a new caller
   * with `limitMs` could not wait that long; undefined otherwise.
   */
  tooLongFor(limitMs: number): number | undefined {
    return this.#shedding && limitMs <= this.#lastWait ? this.#lastWait : undefined
  }
}
