/** Moments, in order, and how many of them fall into a second. */
export class Rate {
  readonly #at: number[] = []

  /** One more, not before the last one. */
  count(now: number): void {
    this.#at.push(now)
  }

  /** All of them from `from` to before `to`. */
  within(from: number, to: number): number {
    return this.#at.filter((at) => at >= from && at < to).length
  }

  /** The most in any second, wherever it begins, from `from` to before `to`. */
  mostInASecond(from: number, to: number): number {
    const at = this.#at.filter((each) => each >= from && each < to)
    let most = 0
    let first = 0
    for (let last = 0; last < at.length; last++) {
      while (at[last]! - at[first]! >= 1_000) first++
      most = Math.max(most, last - first + 1)
    }
    return most
  }
}
