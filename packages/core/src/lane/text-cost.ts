// A statement that takes its server so many milliseconds gets a connection of its own.
const SLOW_MS = 10
// Many things make an answer late, and nothing makes it early: what is learned falls fast and rises
// by this with each answer, however late that was.
const RISE = 1.05
const RISE_MS = 0.002

/** What a lane knows of one text. */
export class TextCost {
  /** Whether statements of this text may share a connection at all. */
  readonly shares: boolean
  /** How long its server takes, in milliseconds, as learned; negative while that is not known. */
  ms = -1

  /** Knows nothing of its cost. */
  constructor(shares: boolean) {
    this.shares = shares
  }

  /** Whether it is known to be quick. */
  get isQuick(): boolean {
    return this.ms >= 0 && this.ms < SLOW_MS
  }

  /**
   * It took this long, or at most this long. Returns whether it is known to be quick from now on,
   * and was not before.
   */
  learn(tookMs: number, atMost = false): boolean {
    const { ms } = this
    const wasQuick = this.isQuick
    const sample = Math.max(0, tookMs)
    if (ms < 0) this.ms = sample
    else if (sample <= ms) this.ms = (ms + sample) / 2
    else if (!atMost) this.ms = Math.min(sample, ms * RISE + RISE_MS)
    return !wasQuick && this.isQuick
  }
  /** It has kept others waiting for that long, and is not answered: it may wait for a lock. */
  stall(forMs: number): void {
    this.ms = Math.max(this.ms, forMs)
  }
}
