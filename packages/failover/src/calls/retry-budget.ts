const SECONDS = 10

/**
 * Limits how much work is sent again, so that retries do not overload a server that is failing: at
 * most a share of the calls of the last ten seconds, and at least one. Counts by the second, so
 * that a call costs one addition.
 */
export class RetryBudget {
  readonly #share: number
  readonly #calls: number[] = new Array<number>(SECONDS).fill(0)
  readonly #spent: number[] = new Array<number>(SECONDS).fill(0)
  #second = Number.NEGATIVE_INFINITY

  /** `share` is a fraction of the calls, such as 0.1; 0 allows nothing. */
  constructor(share: number) {
    this.#share = share
  }

  /** Counts a call that a caller made at this client time. */
  count(now: number): void {
    this.#calls[this.#place(now)]! += 1
  }

  /** Takes one repetition out of the budget. Returns false if the budget is used up. */
  spend(now: number): boolean {
    const place = this.#place(now)
    if (this.#share === 0) return false
    const allowed =
      this.#share === Number.POSITIVE_INFINITY ? this.#share : this.#share * sum(this.#calls)
    if (sum(this.#spent) + 1 > Math.max(1, allowed)) return false
    this.#spent[place]! += 1
    return true
  }

  #place(now: number): number {
    const second = Math.floor(now / 1_000)
    if (second > this.#second) {
      // After a long pause every count is reset once, and not once for each second.
      const first = Math.max(this.#second + 1, second - SECONDS + 1)
      for (let passed = first; passed <= second; passed++) {
        this.#calls[placeOf(passed)] = 0
        this.#spent[placeOf(passed)] = 0
      }
      this.#second = second
    }
    return placeOf(this.#second)
  }
}

function placeOf(second: number): number {
  return ((second % SECONDS) + SECONDS) % SECONDS
}

function sum(counts: readonly number[]): number {
  let total = 0
  for (const count of counts) total += count
  return total
}
