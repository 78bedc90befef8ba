const HALF_LIFE_MS = 10_000
// How fast the expectation of a node without reads fades.
const FADE_HALF_LIFE_MS = 2_000
// The first reads of a node include the opening of connections and say nothing about its speed.
const IGNORED_SAMPLES = 1
// A node gets this many reads before it is judged: one slow answer among the first must not keep
// reads away from it.
const LEARNING_SAMPLES = 5
// Each sample counts at least this much, so that a few dozen reads replace the past of a busy node.
const LEAST_WEIGHT = 1 / 16
// A slow node is slow every time. A single answer that takes a second is a pause of the machine.
const MOST_JUMP = 4
// Differences below a millisecond are noise on any network.
const FLOOR_MS = 1

/**
 * How long a node takes to answer: a moving average by time and by number of samples, which single
 * slow answers change little. The expectation of a node without reads fades to the floor, so that
 * one bad moment does not keep reads away for ever.
 */
export class Latency {
  #averageMs = 0
  #sampledAt = 0
  #samples = 0

  /** The average as of the last sample, in milliseconds; undefined while there are too few. */
  get knownMs(): number | undefined {
    return this.#isKnown ? this.#averageMs : undefined
  }

  get #isKnown(): boolean {
    return this.#samples >= IGNORED_SAMPLES + LEARNING_SAMPLES
  }

  /** Adds a sample taken at `now`. */
  record(ms: number, now: number): void {
    this.#samples++
    if (this.#samples <= IGNORED_SAMPLES) return
    if (this.#samples === IGNORED_SAMPLES + 1) {
      this.#averageMs = ms
    } else if (!this.#isKnown) {
      this.#averageMs = Math.min(this.#averageMs, ms)
    } else {
      const weight = Math.max(LEAST_WEIGHT, 1 - 2 ** ((this.#sampledAt - now) / HALF_LIFE_MS))
      const sample = Math.min(ms, MOST_JUMP * Math.max(FLOOR_MS, this.#averageMs))
      this.#averageMs += weight * (sample - this.#averageMs)
    }
    this.#sampledAt = now
  }

  /**
   * The expected time of an answer at `now`, in milliseconds: at least 1, and 1 while too little is
   * known.
   */
  expectedMs(now: number): number {
    if (!this.#isKnown || this.#averageMs <= FLOOR_MS) return FLOOR_MS
    return Math.max(FLOOR_MS, this.#averageMs * 2 ** ((this.#sampledAt - now) / FADE_HALF_LIFE_MS))
  }
}
