import type { TimelinePast } from './timeline-past.js'

/**
 * What names one history of a cluster. The number of a timeline alone does not: two standbys that
 * are promoted without knowing of each other get the same number. The place where the timeline
 * began tells them apart, unless both were promoted at one place or it may not be read; then the
 * server that writes it stands for the history.
 */
export interface ClusterHistory {
  /** System identifier; undefined where the server does not say. */
  readonly systemId: string | undefined
  /** Number of the timeline; undefined where the server does not say. */
  readonly timeline: number | undefined
  /** Position at which the timeline began; undefined where that was not read. */
  readonly begin: bigint | undefined
  /**
   * When the postmaster of its primary started, in seconds since 1970, exact to the microsecond; it
   * names one life of the server.
   */
  readonly startedAt: string | undefined
  /**
   * Address and port of its primary, as that server sees them, or `unix:` and the port; undefined
   * where it was not asked.
   */
  readonly place: string | undefined
}

/** Whether two names name one history; `unknown` where too little is told. */
export type SameHistory = 'same' | 'other' | 'unknown'

/**
 * Whether two names name one history. A server that was restarted in place goes on with its
 * history; another server that claims the same timeline has one of its own, whatever its number
 * says.
 */
export function sameHistory(one: ClusterHistory, other: ClusterHistory): SameHistory {
  if (differ(one.systemId, other.systemId) || differ(one.timeline, other.timeline)) return 'other'
  if (differ(one.begin, other.begin)) return 'other'
  return sameServer(one, other)
}

/**
 * Whether two servers that write one timeline are one server: the same life of it, or the same
 * place after a restart.
 */
function sameServer(one: ClusterHistory, other: ClusterHistory): SameHistory {
  const life = compare(one.startedAt, other.startedAt)
  if (life === 'same' && compare(portOf(one), portOf(other)) !== 'other') return 'same'
  const place = compare(one.place, other.place)
  return place === 'unknown' && life === 'other' ? 'unknown' : place
}

/**
 * The port alone: a server has accepted each session at one of its addresses. Undefined of a mark.
 */
function portOf({ place }: ClusterHistory): string | undefined {
  const colon = place?.lastIndexOf(':') ?? -1
  return colon < 0 ? undefined : place?.slice(colon)
}

function compare(one: string | undefined, other: string | undefined): SameHistory {
  if (one === undefined || other === undefined) return 'unknown'
  return one === other ? 'same' : 'other'
}

function differ<T>(one: T | undefined, other: T | undefined): boolean {
  return one !== undefined && other !== undefined && one !== other
}

/** What a primary says about itself and its log. */
export interface PrimarySample extends ClusterHistory {
  /** Where its log ends: the insert position. */
  readonly lsn: bigint | undefined
  /** The past of its timeline; undefined where that was not read. */
  readonly past: TimelinePast | undefined
  /** Client time at which it was asked. */
  readonly sentAt: number
}

/** The history that the cluster has at present, as its primary said last. */
export interface PresentHistory extends PrimarySample {
  /** Grows by one whenever the primary goes on with another history than before. */
  readonly epoch: number
  /**
   * When the primary of the history before this one was asked last, in client time; `-Infinity` if
   * none was known.
   */
  readonly formerAt: number
  /**
   * Whether the history before this one had the same timeline: then that number says nothing about
   * whose it is.
   */
  readonly hasRival: boolean
}

/**
 * The present history after a primary has said something. An answer to an older question than the
 * newest one counts only if it shows a later timeline or another system: a write may have waited
 * long for its connection.
 */
export function presentAfter(
  before: PresentHistory | undefined,
  sample: PrimarySample,
): PresentHistory {
  if (before === undefined) {
    return { ...sample, epoch: 1, formerAt: Number.NEGATIVE_INFINITY, hasRival: false }
  }
  const isOther = sameHistory(before, sample) === 'other'
  const isLate = sample.sentAt < before.sentAt
  if (isLate && !(isOther && isBeyond(sample, before))) return before
  if (isOther) {
    const hasRival = before.systemId === sample.systemId && before.timeline === sample.timeline
    return { ...sample, epoch: before.epoch + 1, formerAt: before.sentAt, hasRival }
  }
  // What was read once about a history stays true.
  const { epoch, formerAt, hasRival } = before
  const begin = sample.begin ?? before.begin
  return { ...sample, begin, past: sample.past ?? before.past, epoch, formerAt, hasRival }
}

function isBeyond(sample: PrimarySample, before: PresentHistory): boolean {
  if (sample.systemId !== before.systemId) return true
  return (sample.timeline ?? 0) > (before.timeline ?? 0)
}
