import { performance } from 'node:perf_hooks'
import type { Clock, ClockTimer } from '@poolhouse/core'

/** The clock of the machine, which a test can set forward. Timers take no notice of that. */
export class AdjustableClock implements Clock {
  #offset = 0

  /** Lets so many milliseconds pass. */
  advance(ms: number): void {
    this.#offset += ms
  }

  now(): number {
    return performance.now() + this.#offset
  }

  wallNow(): number {
    return Date.now() + this.#offset
  }

  setTimer(fire: () => void, delayMs: number, { keepAlive = false } = {}): ClockTimer {
    const timer = setTimeout(fire, delayMs)
    if (!keepAlive) timer.unref()
    return {
      cancel: () => clearTimeout(timer),
      keepAlive: (on) => {
        if (on) timer.ref()
        else timer.unref()
      },
    }
  }

  afterIo(fire: () => void): void {
    setImmediate(fire)
  }
}
