import { performance } from 'node:perf_hooks'
import { realTimers } from './real-timers.js'
import { unwatchSignal, watchSignal } from './watch-signal.js'

/** Longest delay that a timer of Node.js takes, in milliseconds: almost 25 days. */
export const MAX_MS = 0x7fffffff

/** A timer that can be stopped and that can be told whether it keeps the process alive. */
export interface ClockTimer {
  /**
   * Stops the timer; stopping twice does nothing.
   *
   * @example
   * const timer = systemClock.setTimer(() => log.warn('late'), 1_000)
   * timer.cancel()
   */
  cancel(): void
  /**
   * Whether the timer keeps the process alive from now on.
   *
   * @example
   * systemClock.setTimer(() => log.warn('late'), 1_000).keepAlive(true)
   */
  keepAlive(on: boolean): void
}

/**
 * The only source of time in Poolhouse. Monotonic, in milliseconds with fractions: a jump of the
 * wall clock moves nothing. `wallNow` exists for one purpose, to notice that the process was
 * frozen.
 */
export interface Clock {
  /**
   * Monotonic milliseconds since an arbitrary origin.
   *
   * @example
   * const begun = systemClock.now()
   * await pool.query('select 1')
   * console.log(`${systemClock.now() - begun} ms`)
   */
  now(): number
  /**
   * Wall-clock milliseconds since the epoch; never used for deadlines.
   *
   * @example
   * console.log(new Date(systemClock.wallNow()))
   */
  wallNow(): number
  /**
   * Calls `fire` once after `delayMs`; with `keepAlive: false` (default) the timer never keeps the
   * process alive.
   *
   * @example
   * systemClock.setTimer(() => log.warn('late'), 1_000, { keepAlive: true })
   */
  setTimer(fire: () => void, delayMs: number, options?: { keepAlive?: boolean }): ClockTimer
  /**
   * Calls `fire` after the event loop has read its sockets once, so that late timers do not beat
   * answers that have arrived.
   *
   * @example
   * systemClock.afterIo(() => log.info('all answers that had arrived are read'))
   */
  afterIo(fire: () => void): void
}

// Bound once: reading the global `performance`, an accessor, costs a quarter of every look at the
// clock.
const monotonicNow = performance.now.bind(performance)

/**
 * The real clock: `performance.now()` and unref'd Node.js timers. This is the only file that
 * touches timers; they are real whatever a test runner fakes.
 */
export const systemClock: Clock = {
  now: monotonicNow,
  wallNow: realTimers.wallNow,
  setTimer(fire, delayMs, options) {
    const timer = realTimers.setTimeout(fire, Math.min(Math.max(delayMs, 0), MAX_MS))
    if (options?.keepAlive !== true) timer.unref()
    return {
      cancel: () => realTimers.clearTimeout(timer),
      keepAlive: (on) => {
        if (on) timer.ref()
        else timer.unref()
      },
    }
  },
  afterIo(fire) {
    realTimers.setImmediate(fire)
  },
}

/**
 * Resolves after `delayMs` on the given clock, or when the signal fires. The timer keeps the
 * process alive, because a caller awaits it.
 */
export function sleep(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      timer.cancel()
      unwatchSignal(signal, end)
      resolve()
    }
    const timer = clock.setTimer(end, delayMs, { keepAlive: true })
    watchSignal(signal, end)
  })
}
