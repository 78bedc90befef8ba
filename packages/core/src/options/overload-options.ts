import { MAX_MS } from '../base/clock.js'
import { checkNumber, describeValue, refuseUnknownOptions } from '../base/option-check.js'

/**
 * When a pool sheds load: waits above `targetMs` for a whole `intervalMs`.
 *
 * @example
 * createPool({ driver, connection, overload: { targetMs: 50, intervalMs: 1_000 } })
 */
export interface OverloadOptions {
  /** Wait that is acceptable, in milliseconds. */
  readonly targetMs: number
  /** How long every wait must have been above the target before load is shed, in milliseconds. */
  readonly intervalMs: number
}

const RULE = { min: 1, max: MAX_MS }
const KNOWN: ReadonlySet<string> = new Set(['targetMs', 'intervalMs'])

/** Checks the `overload` option; undefined for `false`. Throws `TypeError` or `RangeError`. */
export function readOverload(where: string, overload: unknown): OverloadOptions | undefined {
  if (overload === undefined || overload === false) return undefined
  if (overload === null || typeof overload !== 'object') {
    throw new TypeError(
      `${where}: overload must be false or an object such as { targetMs: 50, intervalMs: 1000 }, got ${describeValue(overload)}`,
    )
  }
  refuseUnknownOptions(`${where}: overload`, overload, KNOWN)
  const { targetMs, intervalMs } = overload as Partial<Record<string, unknown>>
  return Object.freeze({
    targetMs: checkNumber(where, 'overload.targetMs', targetMs, RULE),
    intervalMs: checkNumber(where, 'overload.intervalMs', intervalMs, RULE),
  })
}
