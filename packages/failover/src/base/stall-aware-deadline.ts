import type { Clock, ClockTimer } from '@poolhouse/core'

const SLICES = 4

/**
 * A deadline that measures how late the event loop ran meanwhile. An answer that is missing because
 * our own process did not read is no evidence against the server. The deadline runs in slices:
 * a stall in the middle would not make a single long timer late.
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

  /** Calls `expire` once, after any answer that has already arrived was read. */
  constructor(clock: Clock, timeoutMs: number, expire: () => void) {
    this.#clock = clock
    this.#sliceMs = timeoutMs / SLICES
    this.#expire = expire
    this.#arm()
  }

  /** How late its timers fired in total, in milliseconds, including one that is overdue now. */
  get lateMs(): number {
    return this.#late + (this.#stopped ? 0 : Math.max(0, this.#clock.now() - this.#due))
  }

  /** Cancels the deadline: `expire` is not called any more. */
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
