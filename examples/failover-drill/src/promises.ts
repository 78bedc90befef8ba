import type { RoundReport } from './report.js'

/**
 * A promise, and whether it was kept. `missed` is a target that was not reached, short of a broken
 * promise.
 */
export interface Promised {
  readonly name: string
  /** For humans. */
  readonly label: string
  readonly unit: 'calls' | 'ms'
  /** Undefined when what should be timed never happened. */
  readonly value: number | undefined
  /** More than this breaks the promise. */
  readonly limit: number
  /** More than this misses the target. */
  readonly target: number
  readonly verdict: 'kept' | 'missed' | 'broken'
  /** What the number means, for a reader who does not know the drill. */
  readonly meaning: string
}

/** Longest time without a read, in milliseconds. */
const READ_GAP_LIMIT_MS = 1_500
const FIRST_WRITE_TARGET_MS = 500
const FIRST_WRITE_LIMIT_MS = 2_000

/** Holds a round against what Poolhouse promises. */
export function judge({ writes, reads, promotionToFirstWriteMs }: RoundReport): Promised[] {
  return [
    none('missing', 'writes lost', writes.missing.length, 'acknowledged, not in the table'),
    none('duplicated', 'writes done twice', writes.duplicated.length, 'one call, several rows'),
    none(
      'phantom',
      'rows never asked for',
      writes.phantom.length,
      'in the table, but no call had the id',
    ),
    none('wrongClaims', 'wrong claims', writes.wrongClaims.length, '"not executed", but it was'),
    none(
      'neverSettled',
      'calls never answered',
      writes.neverSettled + reads.neverSettled,
      'neither a result nor an error',
    ),
    time(
      'promotionToFirstWriteMs',
      'promotion to first write',
      promotionToFirstWriteMs,
      FIRST_WRITE_TARGET_MS,
      FIRST_WRITE_LIMIT_MS,
      'target 500 ms',
    ),
    time(
      'longestReadGapMs',
      'longest time without a read',
      reads.longestGapMs,
      READ_GAP_LIMIT_MS,
      READ_GAP_LIMIT_MS,
      'limit 1 500 ms',
    ),
  ]
}

/** Whether every promise of a round was kept; a missed target is not a broken promise. */
export function isKept(report: RoundReport): boolean {
  return judge(report).every(({ verdict }) => verdict !== 'broken')
}

function none(name: string, label: string, value: number, meaning: string): Promised {
  const verdict = value === 0 ? 'kept' : 'broken'
  return { name, label, unit: 'calls', value, limit: 0, target: 0, verdict, meaning }
}

function time(
  name: string,
  label: string,
  value: number | undefined,
  target: number,
  limit: number,
  meaning: string,
): Promised {
  const verdict =
    value === undefined || value > limit ? 'broken' : value > target ? 'missed' : 'kept'
  return { name, label, unit: 'ms', value, limit, target, verdict, meaning }
}
