const FIRST_SIZE = 1 << 18

/**
 * Durations in milliseconds, outside the heap, so that keeping them costs the measured code
 * nothing.
 */
export class LatencyLog {
  #times = new Float64Array(FIRST_SIZE)
  #count = 0

  /** Number of durations. */
  get count(): number {
    return this.#count
  }

  /** Adds one. */
  add(ms: number): void {
    if (this.#count === this.#times.length) {
      const larger = new Float64Array(2 * this.#times.length)
      larger.set(this.#times)
      this.#times = larger
    }
    this.#times[this.#count++] = ms
  }

  /** Those of these shares, such as 0.5 and 0.99, of all; not a number where there are none. */
  quantiles(...shares: readonly number[]): number[] {
    const sorted = this.#times.subarray(0, this.#count).toSorted()
    return shares.map((share) => sorted[Math.floor(this.#count * share)] ?? Number.NaN)
  }
}
