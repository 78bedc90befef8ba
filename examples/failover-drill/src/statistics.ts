import type { RoundReport } from './report.js'

/** Median and worst of one number over all rounds. */
export interface Spread {
  readonly median: number
  readonly worst: number
}

/** What several rounds showed together; durations in milliseconds. */
export interface Statistics {
  /** Undefined if in one of the rounds no write came through after the promotion. */
  readonly promotionToFirstWriteMs: Spread | undefined
  readonly longestWriteGapMs: Spread
  readonly longestReadGapMs: Spread
  readonly longestHoldMs: Spread
  readonly inDoubt: Spread
  readonly failedWrites: Spread
}

/** Puts the rounds together. Needs one at least. */
export function statisticsOf(reports: readonly RoundReport[]): Statistics {
  const times = reports.map((report) => report.promotionToFirstWriteMs)
  const known = times.filter((time) => time !== undefined)
  const of = (pick: (report: RoundReport) => number): Spread => spread(reports.map(pick))
  return {
    promotionToFirstWriteMs: known.length === times.length ? spread(known) : undefined,
    longestWriteGapMs: of((report) => report.writeGapMs),
    longestReadGapMs: of((report) => report.reads.longestGapMs),
    longestHoldMs: of((report) => report.held.longestMs),
    inDoubt: of(({ writes: { inDoubt } }) => inDoubt.happened + inDoubt.notHappened),
    failedWrites: of(({ writes }) => sum(Object.values(writes.failed))),
  }
}

/** Adds up. */
export function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}

/** Median (the mean of the middle two of an even number) and largest of one or more numbers. */
export function spread(values: readonly number[]): Spread {
  const sorted = [...values].sort((one, other) => one - other)
  const upper = sorted[Math.floor(sorted.length / 2)]!
  const lower = sorted[Math.ceil(sorted.length / 2) - 1]!
  return { median: (lower + upper) / 2, worst: sorted.at(-1)! }
}
