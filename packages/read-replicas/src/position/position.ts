import { FIRST_TIMELINE, type FollowerSample, type PrimarySample } from '@poolhouse/core/kit'
import type { SampleFacts } from './sample-statement.js'

/** Where the log of a server ended when it was asked, and whose log that is. */
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
  /** Client time at which it was asked. What a read had shown by then lies before the position. */
  readonly sentAt: number
}

/** The position that a sample tells; undefined if it tells none, or not whose. */
export function positionOf(facts: SampleFacts, sentAt: number): Position | undefined {
  const { systemId, timeline, timelineExact: exact, lsn, inRecovery } = facts
  if (systemId === undefined || timeline === undefined || lsn === undefined) return undefined
  return { ...primarySampleOf(facts, sentAt), systemId, timeline, exact, lsn, inRecovery }
}

/** What a sample of a primary says of the history that it writes. */
export function primarySampleOf(facts: SampleFacts, sentAt: number): PrimarySample {
  const { systemId, timeline, lsn, startedAt, place } = facts
  const past = pastOf(facts)
  return { systemId, timeline, begin: past?.begin, startedAt, place, lsn, past, sentAt }
}

/** What a sample of a replica says of the history that it replays. */
export function followerSampleOf(facts: SampleFacts, answeredAt: number): FollowerSample {
  const { systemId, timeline, timelineExact: exact, inRecovery, lsn, startedAt, place } = facts
  const begin = pastOf(facts)?.begin
  const { receiver } = facts
  return {
    systemId,
    timeline,
    exact,
    begin,
    inRecovery,
    lsn,
    startedAt,
    place,
    receiver,
    answeredAt,
  }
}

/** The first timeline has no file that tells its past, and needs none. */
function pastOf({ timeline, timelineExact, past }: SampleFacts): SampleFacts['past'] {
  return timeline === 1 && timelineExact ? FIRST_TIMELINE : past
}
