const HALF_LIFE_MS = 10_000
// The first reads of a node pay for its connections and say nothing about its speed.
const IGNORED_SAMPLES = 1
// Differences below a millisecond are noise on any network.
const FLOOR_MS = 1

/**
 * How long a node takes to answer: an average in which a sample loses half of its weight in ten seconds. A node that is
 * not asked fades back to the floor, so that one bad moment does not shut it out for ever.
 */
export class Latency {
  #averageMs = 0
  #sampledAt = 0
  #samples = 0

  /** The average as of the last sample, in milliseconds; undefined before there is one. */
  get knownMs(): number | undefined {
    return this.#samples > IGNORED_SAMPLES ? this.#averageMs : undefined
  }

  /** Adds a sample taken at `now`. */
  record(ms: number, now: number): void {
    this.#samples++
    if (this.#samples <= IGNORED_SAMPLES) return
    if (this.#samples === IGNORED_SAMPLES + 1) {
      this.#averageMs = ms
    } else {
      const kept = 2 ** ((this.#sampledAt - now) / HALF_LIFE_MS)
      this.#averageMs = kept * this.#averageMs + (1 - kept) * ms
    }
    this.#sampledAt = now
  }

  /** What to expect at `now`, in milliseconds, at least 1. */
  expectedMs(now: number): number {
    if (this.#averageMs <= FLOOR_MS) return FLOOR_MS
    return Math.max(FLOOR_MS, this.#averageMs * 2 ** ((this.#sampledAt - now) / HALF_LIFE_MS))
  }
}
