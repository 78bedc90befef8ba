import { lsnText } from '../server/server-words.js'
import { type PresentHistory, sameHistory } from './cluster-history.js'

/** What a server that should follow the primary says about itself and its log. */
export interface FollowerSample {
  /** System identifier; undefined where the server does not say. */
  readonly systemId: string | undefined
  /** Timeline; a lower bound unless `exact`; undefined where the server does not say. */
  readonly timeline: number | undefined
  /** Whether the timeline is certain. */
  readonly exact: boolean
  /** Position at which its timeline began; undefined where that was not read. */
  readonly begin: bigint | undefined
  /** Whether it replays the log of another server. */
  readonly inRecovery: boolean
  /**
   * Position up to which it has replayed; of a server that is not in recovery, where its log ends.
   */
  readonly lsn: bigint | undefined
  /** When its postmaster started; names one life of it. */
  readonly startedAt: string | undefined
  /** Address and port, as it sees them. */
  readonly place: string | undefined
  /**
   * Process id of its WAL receiver, which any role is shown; null while none runs, undefined if it
   * was not asked.
   */
  readonly receiver: number | null | undefined
  /** Position up to which log was received, asked after `receiver`; undefined if none was. */
  readonly receivedLsn: bigint | undefined
  /** Client time at which it had answered. */
  readonly answeredAt: number
}

/**
 * What is known of a server that should follow the primary. Immutable; made by `followerAfter` and
 * `followerBeside`.
 */
export interface Follower {
  /** What it said last. */
  readonly sample: FollowerSample
  /** The lowest timeline that it can be on, by everything it has shown in its present life. */
  readonly timeline: number | undefined
  /** The present history for which the rest was found; 0 before there was one. */
  readonly epoch: number
  /** Its WAL receiver, which may prove that it follows. */
  readonly receiver: Receiver | undefined
  /** Whether its receiver has proven that it follows the present history. */
  readonly isVouched: boolean
  /**
   * Where it was found ahead of the primary, which is proof of another history; undefined if it was
   * not.
   */
  readonly ahead: bigint | undefined
  /** Whether it took writes of its own, and the primary, asked later, was still another server. */
  readonly isApart: boolean
}

/** One WAL receiver of a standby. */
interface Receiver {
  readonly pid: number
  /** When it was seen first, in client time. */
  readonly seenAt: number
  /** Where the standby stood then. */
  readonly lsn: bigint
  /** Up to where log had been received when the standby answered last before the match. */
  readonly receivedLsn: bigint
  /** Undefined until the primary has come as far as the standby. */
  readonly match: Match | undefined
}

/**
 * The first answer of the primary of the present history that was asked after a receiver was seen,
 * and had come at least as far as the standby had then.
 */
interface Match {
  /** When it was asked, in client time. */
  readonly sentAt: number
  /** Where its log ended. */
  readonly lsn: bigint
}

/**
 * How the position of a server compares with the primary's:
 *
 * - `comparable`: it is in the primary's history, so the positions say how far it is behind
 * - `itself`: it is the primary, under another name
 * - `unknown`: nothing proves that it is in the primary's history; it is not known how far it is
 *   behind
 * - `diverged`: it has what the primary's history does not have
 * - `foreign`: it belongs to another cluster
 */
export type Standing =
  | {
      /** How it compares. */
      readonly kind: 'comparable' | 'itself'
    }
  | {
      /** How it compares. */
      readonly kind: 'unknown'
      /** Why no more is known, for messages. */
      readonly reason: string
    }
  | {
      /** How it compares. */
      readonly kind: 'diverged' | 'foreign'
      /** Why that is known, for messages. */
      readonly reason: string
    }

const COMPARABLE: Standing = { kind: 'comparable' }
const ITSELF: Standing = { kind: 'itself' }

/**
 * What is known of a server after it has answered.
 *
 * A role without `pg_monitor` is not told the timeline of a standby, and the control file shows a
 * new one only at the next restart point. What any role sees is the process id of its WAL receiver
 * and how far that has come. A receiver that was started after the primary's history began, and has
 * received what the primary wrote after that, has been given this history by the primary. That it
 * is still there proves nothing: to a server that has diverged in the segment in which the timeline
 * was left, the primary sends the old timeline up to that point, over and over. Nor does a
 * receiver prove anything while a former primary lives on (`hasFormer`): it may be that one's.
 */
export function followerAfter(
  before: Follower | undefined,
  sample: FollowerSample,
  present: PresentHistory | undefined,
  hasFormer = false,
): Follower {
  const isSameLife =
    before !== undefined &&
    before.sample.startedAt === sample.startedAt &&
    before.sample.systemId === sample.systemId
  const known = isSameLife ? inEpoch(before, present) : undefined
  const timeline = Math.max(known?.timeline ?? 0, sample.timeline ?? 0) || undefined
  const receiver = receiverAfter(known?.receiver, sample)
  const isNew = present !== undefined && !hasFormer && vouches(receiver, sample, present)
  const isVouched = known?.isVouched === true || isNew
  return {
    sample,
    timeline: isVouched ? later(timeline, present?.timeline) : timeline,
    epoch: present?.epoch ?? 0,
    receiver,
    isVouched,
    ahead: known?.ahead,
    isApart: known?.isApart === true && !sample.inRecovery,
  }
}

/**
 * What is known of a server after its primary has answered. A standby that stood further before the
 * primary was asked has diverged.
 */
export function followerBeside(before: Follower, present: PresentHistory): Follower {
  const follower = inEpoch(before, present)
  const { sample, receiver } = follower
  const { lsn, sentAt } = present
  if (!sample.inRecovery && sample.answeredAt < sentAt && !isItself(sample, present)) {
    return { ...follower, isApart: true }
  }
  if (lsn === undefined) return follower
  const isAhead =
    sample.inRecovery &&
    sample.lsn !== undefined &&
    sample.lsn > lsn &&
    sample.answeredAt < sentAt &&
    sample.systemId === present.systemId &&
    !isBeyond(follower, present)
  if (isAhead && follower.ahead === undefined) return { ...follower, ahead: sample.lsn }
  if (receiver === undefined || receiver.match !== undefined) return follower
  if (receiver.seenAt >= sentAt || receiver.lsn > lsn) return follower
  const { receivedLsn = receiver.receivedLsn } = sample
  return { ...follower, receiver: { ...receiver, receivedLsn, match: { sentAt, lsn } } }
}

/**
 * How the position of a server compares with the primary's, by everything that is known of both.
 */
export function standingOf(follower: Follower, present: PresentHistory | undefined): Standing {
  if (present === undefined) return unknown('the primary has not said where its log ends')
  const { sample } = follower
  if (sample.systemId !== undefined && present.systemId !== undefined) {
    if (sample.systemId !== present.systemId) {
      return {
        kind: 'foreign',
        reason: `it belongs to another cluster, system ${sample.systemId}; the primary's is ${present.systemId}`,
      }
    }
  }
  if (!sample.inRecovery) return writableStanding(follower, present)
  const ahead = follower.epoch === present.epoch ? follower.ahead : undefined
  if (ahead !== undefined) {
    return diverged(
      `it had replayed to ${lsnText(ahead)} when the primary had not come that far: it follows another history`,
    )
  }
  return timelineStanding(follower, present)
}

function writableStanding(follower: Follower, present: PresentHistory): Standing {
  if (isItself(follower.sample, present)) return ITSELF
  // It may be the next primary, of which the name of the primary has not told yet.
  if (!follower.isApart || follower.epoch !== present.epoch) {
    return unknown(
      'it is not in recovery, and the primary was another server when it was asked last',
    )
  }
  return diverged('it is not in recovery, so it takes writes of its own and follows nothing')
}

/** Whether it is the primary under another name. */
function isItself(sample: FollowerSample, present: PresentHistory): boolean {
  if (sample.startedAt === undefined || sample.startedAt !== present.startedAt) return false
  return sameHistory(sample, present) === 'same'
}

function timelineStanding(follower: Follower, present: PresentHistory): Standing {
  const { sample } = follower
  const timeline = follower.epoch === present.epoch ? follower.timeline : sample.timeline
  // Where a service hides both, the positions are all there is.
  if (timeline === undefined || present.timeline === undefined) return COMPARABLE
  if (timeline > present.timeline) {
    return unknown(`it is on timeline ${timeline}, and the primary on ${present.timeline}`)
  }
  if (timeline === present.timeline) {
    const { begin } = sample
    const isOwn = begin !== undefined && sample.timeline === timeline
    if (isOwn && present.begin !== undefined && begin !== present.begin) {
      return diverged(
        `its timeline ${timeline} began at ${lsnText(begin)}, and the primary's at ${lsnText(present.begin)}`,
      )
    }
    const isVouched = follower.isVouched && follower.epoch === present.epoch
    return present.hasRival && !isVouched
      ? unknown(`two servers have claimed timeline ${timeline}, and whose it has is not known yet`)
      : COMPARABLE
  }
  return olderStanding(timeline, follower, present)
}

/** A standby that is on an older timeline, or does not say that it has left it. */
function olderStanding(timeline: number, { sample }: Follower, present: PresentHistory): Standing {
  const { past } = present
  const isKept = sample.lsn === undefined ? undefined : past?.keeps(timeline, sample.lsn)
  // Up to the point at which it was left the older timeline is a part of the newer one's past.
  if (isKept === true) return COMPARABLE
  if (!sample.exact) {
    return unknown(
      `whether it has followed the primary to timeline ${present.timeline} is not known yet; a role with pg_monitor is told`,
    )
  }
  return isKept === undefined
    ? unknown(`it is on timeline ${timeline}, and where the primary left that is not known`)
    : diverged(`it is on timeline ${timeline}, beyond the point at which the primary left that`)
}

function receiverAfter(
  before: Receiver | undefined,
  { receiver, receivedLsn = 0n, lsn, answeredAt, inRecovery }: FollowerSample,
): Receiver | undefined {
  if (receiver === undefined) return before
  if (receiver === null || lsn === undefined || !inRecovery) return undefined
  return before?.pid === receiver
    ? before
    : { pid: receiver, seenAt: answeredAt, lsn, receivedLsn, match: undefined }
}

/**
 * Whether the receiver was begun in the present history, and has received what the primary has
 * written in it.
 */
function vouches(
  receiver: Receiver | undefined,
  { answeredAt, receiver: seen, receivedLsn }: FollowerSample,
  { formerAt }: PresentHistory,
): boolean {
  if (receiver?.match === undefined || seen !== receiver.pid) return false
  // One that was there while the former primary still answered may be with that one.
  if (receiver.seenAt <= formerAt || receiver.match.sentAt >= answeredAt) return false
  // What was received before that may be the log of the former primary.
  if (receivedLsn === undefined || receivedLsn <= receiver.receivedLsn) return false
  return receivedLsn >= receiver.match.lsn
}

/** What is still true of it in the present history. */
function inEpoch(follower: Follower, present: PresentHistory | undefined): Follower {
  if (present === undefined || present.epoch === follower.epoch) return follower
  const receiver = follower.receiver && { ...follower.receiver, match: undefined }
  return {
    ...follower,
    epoch: present.epoch,
    receiver,
    isVouched: false,
    ahead: undefined,
    isApart: false,
  }
}

function later(one: number | undefined, other: number | undefined): number | undefined {
  return one === undefined || other === undefined ? one : Math.max(one, other)
}

/**
 * Whether it is on a later timeline than the primary: then the primary is the one that was left
 * behind.
 */
function isBeyond({ timeline }: Follower, present: PresentHistory): boolean {
  return timeline !== undefined && present.timeline !== undefined && timeline > present.timeline
}

function unknown(reason: string): Standing {
  return { kind: 'unknown', reason }
}

function diverged(reason: string): Standing {
  return { kind: 'diverged', reason }
}
