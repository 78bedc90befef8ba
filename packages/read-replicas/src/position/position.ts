import { type PrimarySample, primarySampleOf } from '@poolhouse/core/kit'
import type { SampleFacts } from './sample-statement.js'

/** Where the log of a server ended when it was asked, and of which history that log is. */
export interface Position extends PrimarySample {
  /** System identifier of its cluster. */
  readonly systemId: string
  /** Its timeline; a lower bound unless `exact`. */
  readonly timeline: number
  /** Whether the timeline is certain. */
  readonly exact: boolean
  /** Replayed by a standby, inserted by a primary. */
  readonly lsn: bigint
  /** Whether it is a standby. */
  readonly inRecovery: boolean
  /** Client time at which it was asked. What reads had shown by then is before the position. */
  readonly sentAt: number
}

/**
 * The position that a sample tells; undefined if it lacks the position, the system identifier or
 * the timeline.
 */
export function positionOf(facts: SampleFacts, sentAt: number): Position | undefined {
  const { systemId, timeline, timelineExact: exact, lsn, inRecovery } = facts
  if (systemId === undefined || timeline === undefined || lsn === undefined) return undefined
  return {
    ...primarySampleOf(facts, facts.place, sentAt),
    systemId,
    timeline,
    exact,
    lsn,
    inRecovery,
  }
}
