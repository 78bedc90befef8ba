import type { Clock } from '@poolhouse/core'
import { systemClock } from '@poolhouse/core/kit'

/** The system's clock with hands that a test can turn. Timers stay real. */
export interface ShiftedClock extends Clock {
  /** Moves the wall clock, as an administrator or NTP does. The monotonic time is not touched. */
  moveWall(ms: number): void
  /** Moves the monotonic time forward, to spare a test a long wait. */
  skip(ms: number): void
}

/** Makes a clock that agrees with the system's. */
export function shiftedClock(): ShiftedClock {
  let wall = 0
  let monotonic = 0
  return {
    now: () => systemClock.now() + monotonic,
    wallNow: () => systemClock.wallNow() + wall + monotonic,
    setTimer: (fire, delayMs, options) => systemClock.setTimer(fire, delayMs, options),
    afterIo: (fire) => systemClock.afterIo(fire),
    moveWall(ms) {
      wall += ms
    },
    skip(ms) {
      monotonic += ms
    },
  }
}
