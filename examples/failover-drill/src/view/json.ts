import type { Writable } from 'node:stream'
import { isKept, judge } from '../promises.js'
import type { RoundReport } from '../report.js'
import type { Entry, Scoreboard } from '../scoreboard.js'
import { type Spread, statisticsOf } from '../statistics.js'
import { PlainView } from './plain.js'
import type { View } from './view.js'

/**
 * Writes one JSON document at the end; what happens meanwhile goes to another stream, as plain
 * lines.
 */
export class JsonView implements View {
  readonly #output: Writable
  readonly #progress: PlainView

  /** The document goes to `output`, the rest to `progress`. */
  constructor(output: Writable, progress: Writable) {
    this.#output = output
    this.#progress = new PlainView(progress)
  }

  begin(board: Scoreboard): void {
    this.#progress.begin(board)
  }

  tell(entry: Entry): void {
    this.#progress.tell(entry)
  }

  notice(text: string): void {
    this.#progress.notice(text)
  }

  end(): void {
    this.#progress.end()
  }

  finish(reports: readonly RoundReport[]): void {
    this.#output.write(`${JSON.stringify(documentOf(reports), undefined, 2)}\n`)
  }
}

/**
 * The document: `ok`, then median and worst of all rounds, then every round. Durations are
 * milliseconds.
 */
export function documentOf(reports: readonly RoundReport[]) {
  const statistics = Object.entries(statisticsOf(reports)) as [string, Spread | undefined][]
  const pick = (of: keyof Spread) =>
    Object.fromEntries(
      statistics.map(([name, spread]) => [name, spread === undefined ? null : tidy(spread[of])]),
    )
  return {
    ok: reports.every(isKept),
    median: pick('median'),
    worst: pick('worst'),
    rounds: reports.map(roundOf),
  }
}

function roundOf(report: RoundReport) {
  const { writes, reads, held, promotionToFirstWriteMs } = report
  return {
    ok: isKept(report),
    promises: judge(report).map(({ name, value, limit, target, verdict }) => ({
      name,
      value: value === undefined ? null : tidy(value),
      target,
      limit,
      verdict,
    })),
    oldPrimary: report.oldPrimary,
    newPrimary: report.newPrimary,
    promotionToFirstWriteMs:
      promotionToFirstWriteMs === undefined ? null : tidy(promotionToFirstWriteMs),
    decisionMs: tidy(report.decisionMs),
    promotionMs: tidy(report.promotionMs),
    writes: {
      acknowledged: writes.acknowledged,
      missing: writes.missing.length,
      duplicated: writes.duplicated.length,
      phantom: writes.phantom.length,
      wrongClaims: writes.wrongClaims.length,
      inDoubt: writes.inDoubt,
      failed: writes.failed,
      neverSettled: writes.neverSettled,
      longestGapMs: tidy(report.writeGapMs),
      held: { calls: held.calls, longestMs: tidy(held.longestMs) },
      // The ids behind the numbers that should be 0.
      evidence: {
        missing: writes.missing,
        duplicated: writes.duplicated,
        phantom: writes.phantom,
        wrongClaims: writes.wrongClaims,
      },
    },
    reads: { ...reads, longestGapMs: tidy(reads.longestGapMs) },
  }
}

function tidy(value: number): number {
  return Math.round(value * 10) / 10
}
