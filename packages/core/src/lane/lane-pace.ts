import { own } from '../base/own.js'
import type { Slot } from '../slot/slot.js'

// A connection whose server has been at one statement for so long, and for so many times as long as
// others of late, takes no more.
const LATE_MS = 10
const LATE_TIMES = 4
// After so many milliseconds without work this process has waited for bytes.
const IDLE_MS = 0.05
// How much one answer counts, and of how many there were bytes before this process asked for them.
const WEIGHT = 0.05
const BUSY_SHARE = 0.7

/** What a lane knows of the time that passes between its servers and itself. */
export class LanePace {
  /** What an answer takes at least, in milliseconds: the way to the server and back. */
  readonly tripMs: number = 0
  /** Until when this process has been busy with the lane, as far as that is known. */
  readonly busyUntil: number = 0
  #isTripKnown = false
  #headMs = 0
  #busyShare = 0

  /** This process has taken a call, or sent what its callers wanted. */
  worked(now: number): void {
    own<LanePace>(this).busyUntil = now
  }

  /** A connection was lent to the lane or to one of its calls. */
  lent({ answerMs }: Slot): void {
    if (!this.#isTripKnown && answerMs > 0) this.#sawTrip(answerMs)
  }

  /**
   * Answers have come: the first `tripMs` after it was sent, and `headMs` after its server had
   * nothing else to do. Returns whether they may have come earlier, while this process was busy.
   */
  answered(at: number, tripMs: number, headMs: number): boolean {
    this.#sawTrip(tripMs)
    this.#headMs += (headMs - this.tripMs - this.#headMs) * WEIGHT
    const idleMs = at - this.busyUntil
    // On a clock that stands still no work takes any time.
    const isBusy = idleMs > 0 && idleMs < IDLE_MS
    this.#busyShare += ((isBusy ? 1 : 0) - this.#busyShare) * WEIGHT
    return isBusy
  }

  /**
   * Whether the servers wait for this process rather than the other way round: then more
   * connections make nothing faster.
   */
  get isBusy(): boolean {
    return this.#busyShare > BUSY_SHARE
  }

  /** How long a statement runs before it counts as late, in milliseconds. */
  get lateMs(): number {
    return Math.max(LATE_MS, this.#headMs * LATE_TIMES)
  }

  #sawTrip(ms: number): void {
    // The least of late; it may grow again.
    const isLess = !this.#isTripKnown || ms < this.tripMs
    own<LanePace>(this).tripMs = isLess ? ms : this.tripMs + (ms - this.tripMs) * 0.001
    this.#isTripKnown = true
  }
}
