const BIN_MS = 100

/** Counts things by the time at which they happened. Times are milliseconds from 0. */
export class Meter {
  readonly #bins: number[] = []

  /** Counts one. */
  add(at: number): void {
    const bin = Math.floor(at / BIN_MS)
    this.#bins[bin] = (this.#bins[bin] ?? 0) + 1
  }

  /** How many there were in the second before `now`. */
  perSecond(now: number): number {
    return this.#sum(now - 1000, now)
  }

  /**
   * The last `count` spans of `spanMs` before `now`, oldest first, as rates per second. A span that
   * has not begun is left out.
   */
  series(now: number, count: number, spanMs: number): number[] {
    const last = Math.floor(now / spanMs)
    const spans = Array.from(
      { length: Math.min(count, last) },
      (_, index) => last - index,
    ).reverse()
    return spans.map((end) => (this.#sum((end - 1) * spanMs, end * spanMs) * 1000) / spanMs)
  }

  #sum(from: number, to: number): number {
    let sum = 0
    const end = Math.floor(to / BIN_MS)
    for (let bin = Math.max(0, Math.floor(from / BIN_MS)); bin < end; bin += 1) {
      sum += this.#bins[bin] ?? 0
    }
    return sum
  }
}
