import type { Clock, ClockTimer } from '@poolhouse/core'

const SLICES = 4

/**
 * A deadline that knows how late the event loop was while it ran. What did not arrive while nobody
 * was reading is no evidence against the sender. It runs in slices, because a stall in the middle
 * would not make one long timer late.
 */
export class StallAwareDeadline {
  readonly #clock: Clock
  readonly #sliceMs: number
  readonly #expire: () => void
  #left = SLICES
  #due = 0
  #late = 0
  #timer: ClockTimer | undefined
  #stopped = false

  /** `expire` is called once, after answers that have already arrived were read. */
  constructor(clock: Clock, timeoutMs: number, expire: () => void) {
    this.#clock = clock
    this.#sliceMs = timeoutMs / SLICES
    this.#expire = expire
    this.#arm()
  }

  /** By how much its timers were late so far, in milliseconds, the one that is due now included. */
  get lateMs(): number {
    return this.#late + (this.#stopped ? 0 : Math.max(0, this.#clock.now() - this.#due))
  }

  /** Ends it. */
  stop(): void {
    if (this.#stopped) return
    this.#late = this.lateMs
    this.#stopped = true
    this.#timer?.cancel()
  }

  #arm(): void {
    this.#due = this.#clock.now() + this.#sliceMs
    this.#timer = this.#clock.setTimer(() => this.#fired(), this.#sliceMs)
  }

  #fired(): void {
    if (this.#stopped) return
    this.#late += Math.max(0, this.#clock.now() - this.#due)
    this.#left--
    if (this.#left > 0) {
      this.#arm()
      return
    }
    this.#due = Number.POSITIVE_INFINITY
    this.#clock.afterIo(() => {
      if (!this.#stopped) this.#expire()
    })
  }
}
