import { checkNumber, describeValue } from '@poolhouse/core/kit'

const LONGEST = 0x7fffffff

/**
 * Checks `timeoutMs`, at least `leastMs`, and `signal` of an options object. Throws `TypeError` or
 * `RangeError` that names the option and the value.
 */
export function checkLimits(
  where: string,
  options: { timeoutMs?: unknown; signal?: unknown } | undefined,
  leastMs: number = Number.MIN_VALUE,
): void {
  if (options === undefined) return
  const { timeoutMs, signal } = options
  if (timeoutMs !== undefined) {
    checkNumber(where, 'timeoutMs', timeoutMs, { min: leastMs, max: LONGEST })
  }
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw new TypeError(`${where}: signal must be an AbortSignal, got ${describeValue(signal)}`)
  }
}
