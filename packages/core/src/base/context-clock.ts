import type { AsyncResource } from 'node:async_hooks'
import type { Clock, ClockTimer } from './clock.js'

/** A clock whose timers belong to the pool and not to the request that happened to cause them. */
export class ContextClock implements Clock {
  readonly #clock: Clock
  readonly #context: AsyncResource

  /** Tells the time of `clock`. */
  constructor(clock: Clock, context: AsyncResource) {
    this.#clock = clock
    this.#context = context
  }

  now(): number {
    return this.#clock.now()
  }

  wallNow(): number {
    return this.#clock.wallNow()
  }

  setTimer(fire: () => void, delayMs: number, options?: { keepAlive?: boolean }): ClockTimer {
    return this.#context.runInAsyncScope(() => this.#clock.setTimer(fire, delayMs, options))
  }

  afterIo(fire: () => void): void {
    this.#clock.afterIo(fire)
  }
}
