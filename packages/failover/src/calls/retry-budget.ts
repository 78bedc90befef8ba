const SECONDS = 10

/**
 * Keeps those who send work again from drowning a server that fails anyway: of the calls of the
 * last ten seconds at most this share is sent again, and one in any case. Counts by the second, so
 * that a call costs an addition.
 */
export class RetryBudget {
  readonly #share: number
  readonly #calls: number[] = new Array<number>(SECONDS).fill(0)
  readonly #spent: number[] = new Array<number>(SECONDS).fill(0)
  #second = Number.NEGATIVE_INFINITY

  /** `share` is a part of the calls, such as 0.1; 0 for nothing at all. */
  constructor(share: number) {
    this.#share = share
  }

  /** A caller made a call, at this time of the client in milliseconds. */
  count(now: number): void {
    this.#calls[this.#place(now)]! += 1
  }

  /** Takes one repetition out of the budget; returns whether there was one. */
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
      // A clock that has not moved for long has nothing left to forget.
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
