import type { FollowerSample, PrimarySample } from '@poolhouse/core/kit'
import type { ProbeFacts } from '../base/observation.js'

/** What a probe of a primary says of the history that it writes. */
export function primarySampleOf(facts: ProbeFacts, sentAt: number): PrimarySample {
  const { systemId, timeline, startedAt, address, lsn, past } = facts
  return { systemId, timeline, begin: past?.begin, startedAt, place: address, lsn, past, sentAt }
}

/** What a probe of a server says of the history that it follows. */
export function followerSampleOf(facts: ProbeFacts, answeredAt: number): FollowerSample {
  const { systemId, timeline, inRecovery, lsn, startedAt, receiver } = facts
  return {
    systemId,
    timeline,
    exact: facts.timelineExact,
    begin: facts.past?.begin,
    inRecovery,
    lsn,
    startedAt,
    place: facts.address,
    receiver,
    answeredAt,
  }
}
