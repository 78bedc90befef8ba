import { MAX_MS } from '@poolhouse/core/kit'
import { UsageError } from '../outcome.js'

const FORM = /^(\d+(?:\.\d+)?)(ms|s|m)?$/
const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000 }

/**
 * Reads a duration of the command line, in milliseconds unless it has the unit `ms`, `s` or `m`.
 * Throws `UsageError` that names the option.
 */
export function readDuration(option: string, text: string): number {
  const [, amount, unit = 'ms'] = FORM.exec(text) ?? []
  const ms = Number(amount) * UNITS[unit]!
  if (ms >= 1 && ms <= MAX_MS) return ms
  throw new UsageError(
    `${option} must be a time such as 500, 500ms or 5s, at least a millisecond, got ${JSON.stringify(text)}`,
  )
}

/** Reads a whole number of the command line. Throws `UsageError` that names the option. */
export function readCount(option: string, text: string, most: number): number {
  const count = Number(text)
  if (/^\d+$/.test(text) && count >= 1 && count <= most) return count
  throw new UsageError(
    `${option} must be a whole number from 1 to ${most}, got ${JSON.stringify(text)}`,
  )
}

/** Reads a TCP port of the command line; 0 for any that is free. Throws `UsageError`. */
export function readPort(option: string, text: string): number {
  return text === '0' ? 0 : readCount(option, text, 65_535)
}
