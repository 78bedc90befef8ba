import { MAX_MS } from '../base/clock.js'
import { checkNumber, describeValue, refuseUnknownOptions } from '../base/option-check.js'

/**
 * When the server is asked about a connection that waits for an answer and hears nothing.
 *
 * @example
 * createPool({ driver, connection, watchdog: { silenceMs: 1_000, timeoutMs: 300 } })
 */
export interface PoolWatchdogOptions {
  /**
   * Longest silence of a busy connection before the server is asked about its session, in
   * milliseconds. Default 2 000.
   */
  silenceMs?: number | undefined
  /**
   * Longest wait for an answer to that question, in milliseconds; the time that it took to connect
   * comes on top. Default 400.
   */
  timeoutMs?: number | undefined
}

/** The same, checked and with the defaults. */
export interface WatchdogLimits {
  readonly silenceMs: number
  readonly timeoutMs: number
}

const DEFAULT: WatchdogLimits = Object.freeze({ silenceMs: 2_000, timeoutMs: 400 })
const RULE = { min: 1, max: MAX_MS }
const KNOWN: ReadonlySet<string> = new Set(['silenceMs', 'timeoutMs'])

/** Checks the `watchdog` option; undefined for `false`. Throws `TypeError` or `RangeError`. */
export function readWatchdog(
  where: string,
  watchdog: unknown = DEFAULT,
): WatchdogLimits | undefined {
  if (watchdog === false) return undefined
  if (typeof watchdog !== 'object' || watchdog === null || Array.isArray(watchdog)) {
    throw new TypeError(
      `${where}: watchdog must be false or an object such as { silenceMs: 2000, timeoutMs: 400 }, got ${describeValue(watchdog)}`,
    )
  }
  refuseUnknownOptions(`${where}: watchdog`, watchdog, KNOWN)
  const { silenceMs = DEFAULT.silenceMs, timeoutMs = DEFAULT.timeoutMs } =
    watchdog as PoolWatchdogOptions
  return Object.freeze({
    silenceMs: checkNumber(where, 'watchdog.silenceMs', silenceMs, RULE),
    timeoutMs: checkNumber(where, 'watchdog.timeoutMs', timeoutMs, RULE),
  })
}
