import type { Clock, ClockTimer } from '../base/clock.js'

/** Whatever is under way in a fake session; stopped with the session, as a socket's end would. */
export class FakeTimers {
  readonly #clock: Clock
  readonly #timers = new Set<ClockTimer>()

  /** Has nothing under way. */
  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Calls `fire` after a delay in milliseconds, or in a promise reaction if that is 0. */
  later(fire: () => void, delayMs: number): void {
    if (delayMs === 0) {
      queueMicrotask(fire)
      return
    }
    const timer = this.#clock.setTimer(() => {
      this.#timers.delete(timer)
      fire()
    }, delayMs)
    this.#timers.add(timer)
  }

  /** Forgets what is under way. */
  stop(): void {
    for (const timer of this.#timers) timer.cancel()
    this.#timers.clear()
  }
}
