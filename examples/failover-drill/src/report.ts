import {
  type AcknowledgedCall,
  acknowledged,
  failuresByClass,
  type Gap,
  type History,
  longestGap,
  type StoredId,
  type Verification,
  verify,
} from './history.js'
import type { Hold } from './narrator.js'

/** When things happened in a round; readings of `performance.now()` in milliseconds. */
interface Marks {
  readonly loadFrom: number
  readonly killedAt: number
  /** When the promotion was ordered. */
  readonly decidedAt: number
  /** When the new primary said that it is no longer in recovery. */
  readonly promotedAt: number
  readonly rejoinedAt: number
  readonly loadTo: number
}

/** What one round was. */
export interface RoundRecord {
  readonly history: History
  /** What the new primary has, at the end. */
  readonly stored: readonly StoredId[]
  readonly marks: Marks
  readonly holds: readonly Hold[]
  readonly oldPrimary: string
  readonly newPrimary: string
}

/** What one round showed. Durations are milliseconds. */
export interface RoundReport {
  readonly oldPrimary: string
  readonly newPrimary: string
  readonly writes: Verification
  /**
   * From the promotion to the first write that the new primary acknowledged; undefined if there was
   * none.
   */
  readonly promotionToFirstWriteMs: number | undefined
  /** The longest time without an acknowledged write. */
  readonly writeGapMs: number
  /** The part of it that lies between the SIGKILL and the end of recovery. */
  readonly writeGapBeforePromotionMs: number
  /**
   * From the SIGKILL to the order to promote: the stand-in for the decision of a cluster manager.
   */
  readonly decisionMs: number
  /** From the order to promote to the end of recovery: PostgreSQL's part. */
  readonly promotionMs: number
  readonly held: { readonly calls: number; readonly longestMs: number }
  readonly reads: {
    readonly served: number
    readonly failed: Readonly<Record<string, number>>
    readonly inDoubt: number
    readonly neverSettled: number
    /** Served within the longest write gap. */
    readonly servedDuringWriteGap: number
    readonly longestGapMs: number
    /** Served by the old primary after it came back as a replica. */
    readonly servedByRejoinedNode: number
    readonly byNode: Readonly<Record<string, number>>
  }
}

/** Works out what the history and the table say. */
export function reportOf(record: RoundRecord): RoundReport {
  const { history, stored, marks, holds, oldPrimary, newPrimary } = record
  const writes = acknowledged(history.writes)
  const reads = acknowledged(history.reads)
  const writeGap = gapOf(writes, marks)
  const first = writes.find(({ outcome }) => outcome.node === newPrimary)
  return {
    oldPrimary,
    newPrimary,
    writes: verify(history.writes, stored),
    // The promotion is noticed by asking every 5 ms: a write may be served before it is noticed.
    promotionToFirstWriteMs: first && Math.max(0, first.endedAt - marks.promotedAt),
    writeGapMs: writeGap.ms,
    writeGapBeforePromotionMs: Math.max(
      0,
      Math.min(writeGap.to, marks.promotedAt) - Math.max(writeGap.from, marks.killedAt),
    ),
    decisionMs: marks.decidedAt - marks.killedAt,
    promotionMs: marks.promotedAt - marks.decidedAt,
    held: {
      calls: holds.reduce((sum, hold) => sum + hold.calls, 0),
      longestMs: Math.max(0, ...holds.map((hold) => hold.ms)),
    },
    reads: {
      served: reads.length,
      failed: failuresByClass(history.reads),
      inDoubt: history.reads.filter(({ outcome }) => outcome?.kind === 'in-doubt').length,
      neverSettled: history.waiting('reads'),
      servedDuringWriteGap: reads.filter(
        ({ endedAt }) => endedAt > writeGap.from && endedAt < writeGap.to,
      ).length,
      longestGapMs: gapOf(reads, marks).ms,
      servedByRejoinedNode: reads.filter(
        ({ endedAt, outcome }) => outcome.node === oldPrimary && endedAt > marks.rejoinedAt,
      ).length,
      byNode: countByNode(reads),
    },
  }
}

function gapOf(calls: readonly AcknowledgedCall[], { loadFrom, loadTo }: Marks): Gap {
  return longestGap(
    calls.map(({ endedAt }) => endedAt),
    loadFrom,
    loadTo,
  )
}

function countByNode(calls: readonly AcknowledgedCall[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const { outcome } of calls) {
    const node = outcome.node ?? 'unknown'
    counts[node] = (counts[node] ?? 0) + 1
  }
  return counts
}
