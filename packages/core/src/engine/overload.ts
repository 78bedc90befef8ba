import type { OverloadOptions } from '../api/pool-options.js'

/**
 * Tells a burst from a standing queue, after CoDel (Nichols and Jacobson 2012) as Elixir's
 * DBConnection applies it to pools: if even the shortest wait of an interval was above the target,
 * the queue does not drain, and whoever has waited longer than twice the target is refused until a
 * wait falls below it again. Meanwhile a newcomer is refused at once when it has less time than the
 * last one had to wait.
 */
export class Overload {
  readonly #options: OverloadOptions
  #intervalEnd = 0
  #shortest = Number.POSITIVE_INFINITY
  #shedding = false
  #lastWait = 0

  /** Begins without load. */
  constructor(options: OverloadOptions) {
    this.#options = options
  }

  /** Wait that is acceptable, in milliseconds. */
  get targetMs(): number {
    return this.#options.targetMs
  }

  /** A caller who has waited for `waitMs` is next. Returns whether to serve it. */
  admit(waitMs: number, now: number): boolean {
    const { targetMs, intervalMs } = this.#options
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
   * What whoever was served last had to wait, in milliseconds, if a caller who comes now and has
   * `limitMs` cannot be expected to last that long.
   */
  tooLongFor(limitMs: number): number | undefined {
    return this.#shedding && limitMs <= this.#lastWait ? this.#lastWait : undefined
  }
}
