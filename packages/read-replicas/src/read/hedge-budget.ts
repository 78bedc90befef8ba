// Share of reads that may be sent twice, and how many may be saved up for a bad moment.
const SHARE = 0.1
const MOST = 10

/**
 * Bounds how many reads are sent twice: when everything is slow, sending everything twice makes it
 * slower.
 */
export class HedgeBudget {
  #tokens = MOST

  /** A read was sent. */
  earn(): void {
    this.#tokens = Math.min(MOST, this.#tokens + SHARE)
  }

  /** Whether one more may be sent twice; if so it is charged. */
  spend(): boolean {
    if (this.#tokens < 1) return false
    this.#tokens--
    return true
  }
}
