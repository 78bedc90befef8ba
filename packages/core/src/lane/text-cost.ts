import { own } from '../base/own.js'

// A statement that takes its server so many milliseconds gets a connection of its own.
const SLOW_MS = 10
// Many things make an answer late, and nothing makes it early: what is learned falls fast and, once
// it is sure, rises by this with each answer, however late that was.
const RISE = 1.05
const RISE_MS = 0.002
const CLOSE_MS = 1

/** What a lane knows of one text. */
export class TextCost {
  /** Whether statements of this text may share a connection at all; undefined at its first use. */
  readonly shares: boolean | undefined = undefined
  readonly #mayShare: () => boolean
  #isMet = false
  /** How long its server takes, in milliseconds, as learned; negative while that is not known. */
  ms = -1

  /** Whether that was seen, and not only how long an answer took at most. */
  readonly isSure: boolean = false

  /** Knows nothing of its cost. */
  constructor(mayShare: () => boolean) {
    this.#mayShare = mayShare
  }

  /** Its text is used. Only one that comes back is worth the look at it. */
  met(): void {
    if (this.#isMet) own<TextCost>(this).shares ??= this.#mayShare()
    this.#isMet = true
  }

  /** Whether statements of this text may share a connection, and are known to be quick. */
  get isQuick(): boolean {
    return this.shares === true && this.ms >= 0 && this.ms < SLOW_MS
  }

  /**
   * It took between `least` and `most`, in milliseconds. Of a call on its own, the two are as far
   * apart as the way to the server and back is long; of many in a row they are close together, and
   * only that is sure. Returns whether it is known to be quick from now on, and was not before.
   */
  learn(least: number, most: number = least): boolean {
    const { ms } = this
    const wasQuick = this.isQuick
    const low = Math.max(0, least)
    const high = Math.max(low, most)
    const isClose = high - low <= CLOSE_MS
    if (isClose && !this.isSure) this.ms = (low + high) / 2
    else if (ms < 0) this.ms = low
    else if (ms > high) this.ms = (ms + high) / 2
    else if (ms < low) this.ms = this.isSure ? Math.min(low, ms * RISE + RISE_MS) : low
    if (isClose) own<TextCost>(this).isSure = true
    return !wasQuick && this.isQuick
  }
  /** It has kept others waiting for that long, and is not answered: it may wait for a lock. */
  stall(forMs: number): void {
    this.ms = Math.max(this.ms, forMs)
  }
}
