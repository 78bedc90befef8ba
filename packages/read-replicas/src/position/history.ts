import type { Topology, TopologySnapshot } from '@poolhouse/core'
import {
  type ClusterHistory,
  type Follower,
  followerAfter,
  followerBeside,
  followerSampleOf,
  type PresentHistory,
  type PrimarySample,
  presentAfter,
  type SameHistory,
  type Standing,
  sameHistory,
  standingOf,
} from '@poolhouse/core/kit'
import type { NodeSampler } from './node-sampler.js'
import type { Position } from './position.js'
import type { SampleFacts } from './sample-statement.js'
import { markedHistory, type SessionToken, tokenAt } from './session-token.js'

/**
 * What the present primary says about a token: `lost` if it never had that position, `open` if only
 * the past of its timeline could tell.
 */
export type Verdict = 'kept' | 'lost' | 'foreign' | 'open'

/**
 * The position of a follower when the primary last vouched for it, and the life of its server then.
 */
interface Vouched {
  readonly lsn: bigint
  /** Of the present history. */
  readonly epoch: number
  readonly startedAt: string | undefined
  readonly place: string | undefined
  readonly incarnation: number
}

const NAMELESS = { begin: undefined, startedAt: undefined, place: undefined }

// For how long an answer of the primary proves that its timeline is the newest, for standbys that
// do not tell theirs. A standby is promoted without the primary only after the primary has been
// silent for longer.
const CONFIRMED_MS = 2_000

/**
 * What has been seen of the cluster's history: which one the primary writes, and which servers
 * follow it. It decides whether a server has what a token names. Positions compare only within one
 * history: after a failover the new history soon reaches positions that were lost.
 */
export class History {
  readonly #topology: () => Topology | undefined
  readonly #followers = new Map<NodeSampler, Follower>()
  readonly #vouched = new Map<NodeSampler, Vouched>()
  #present: PresentHistory | undefined
  // The same, as tokens name it.
  #marked: ClusterHistory | undefined
  #newest = 0
  #confirmedAt = Number.NEGATIVE_INFINITY
  // The last primary that the topology showed: its system, timeline and node.
  #leader: string | undefined
  #seen: TopologySnapshot | undefined
  #turns = 0
  // The value of `#turns` when the present history was told.
  #toldIn = 0

  /** `topology` returns the topology that watches the primary too, if there is one. */
  constructor(topology: () => Topology | undefined) {
    this.#topology = topology
  }

  /** The history that the primary writes, as it said last; undefined before its first sample. */
  get present(): PresentHistory | undefined {
    return this.#present
  }

  /** Changes whenever the cluster may have gone on with another history than before. */
  get epoch(): number {
    this.#follow()
    return this.#turns + (this.#present?.epoch ?? 0)
  }

  /** Takes a sample of a primary. */
  primarySaid(sample: PrimarySample): void {
    const before = this.#present
    const present = presentAfter(before, sample)
    if (present === before) return
    this.#follow()
    // A late answer of a former primary does not count as one of the present primary.
    const isOfPresent = (sample.timeline ?? 0) >= (this.#topology()?.current.timeline ?? 0)
    if (isOfPresent) this.#toldIn = this.#turns
    this.#present = present
    if (before === undefined || !isSameName(before, present)) this.#marked = markedHistory(present)
    const { systemId, timeline = 0, sentAt } = present
    if (systemId !== before?.systemId) this.#newest = 0
    if (timeline >= this.#newest) {
      this.#newest = timeline
      this.#confirmedAt = sentAt
    }
    for (const [sampler, follower] of this.#followers) {
      this.#followers.set(sampler, followerBeside(follower, present))
    }
  }

  /** Takes a sample of a server that may follow the primary. */
  followerSaid(sampler: NodeSampler, facts: SampleFacts, answeredAt: number): void {
    const sample = followerSampleOf(facts, facts.place, answeredAt)
    const before = this.#followers.get(sampler)
    const nodes = this.#topology()?.current.nodes ?? []
    const hasFormer = nodes.some(({ state }) => state === 'fenced')
    this.#followers.set(sampler, followerAfter(before, sample, this.#present, hasFormer))
    const { lsn, startedAt, place } = sample
    const epoch = this.#present?.epoch
    if (lsn === undefined || epoch === undefined || !this.confirmed(answeredAt)) return
    if (this.standingOf(sampler)?.kind !== 'comparable') return
    const { incarnation } = sampler
    this.#vouched.set(sampler, { lsn, epoch, startedAt, place, incarnation })
  }

  /** Forgets a server that is no longer sampled. */
  forget(sampler: NodeSampler): void {
    this.#followers.delete(sampler)
    this.#vouched.delete(sampler)
  }

  /** How the server stands to the primary; undefined before its first sample. */
  standingOf(sampler: NodeSampler): Standing | undefined {
    const follower = this.#followers.get(sampler)
    return follower && standingOf(follower, this.#present)
  }

  /**
   * Whether it is not known if the server follows, and the next answer of the primary may prove it.
   */
  awaitsPrimary(sampler: NodeSampler): boolean {
    const receiver = this.#followers.get(sampler)?.receiver
    if (this.#present === undefined || receiver === undefined) return false
    if (receiver.match !== undefined) return false
    return this.standingOf(sampler)?.kind === 'unknown'
  }

  /** Whether it is known now that no newer history has begun. If not, the primary must be asked. */
  confirmed(now: number): boolean {
    if (!this.#isTold()) return false
    const current = this.#topology()?.current
    if (current?.primary !== undefined && current.timeline === this.#newestKnown()) return true
    return now - this.#confirmedAt <= CONFIRMED_MS
  }

  /** Whether a server is certain to have replayed up to the token. */
  covers(sampler: NodeSampler | undefined, token: SessionToken, now: number): boolean {
    const position = sampler?.position
    if (sampler === undefined || position === undefined) return false
    if (position.systemId !== token.systemId || position.lsn < token.lsn) return false
    const present = this.#present
    if (present === undefined && this.#topology()?.current.primary === undefined) {
      // No primary can be asked. All that is left to compare is the number of the timeline, and
      // where it began if both tell.
      const { begin = token.begin } = position
      const hasRival = token.begin !== undefined && begin !== token.begin
      return position.exact && position.timeline === token.timeline && !hasRival
    }
    if (present === undefined || !this.#isTold()) return false
    const standing = this.standingOf(sampler)
    if (standing?.kind !== 'comparable' && standing?.kind !== 'itself') return false
    if (token.timeline !== present.timeline) return this.#keptIn(present, token) === true
    if (this.#compare(token) === 'other') return false
    return position.exact || this.confirmed(now) || this.#isVouched(sampler, position, token)
  }

  /**
   * Whether the server had the token when the primary vouched for it. It keeps it until it is
   * restarted: a standby never follows a timeline that branched off before the position that it has
   * replayed. After a restart it may have been rewound.
   */
  #isVouched(sampler: NodeSampler, position: Position, token: SessionToken): boolean {
    const vouched = this.#vouched.get(sampler)
    if (vouched === undefined || vouched.epoch !== this.#present?.epoch) return false
    if (token.lsn > vouched.lsn) return false
    const { startedAt, place, incarnation } = vouched
    return startedAt === undefined
      ? sampler.watching && sampler.incarnation === incarnation
      : startedAt === position.startedAt && place === position.place
  }

  /** What a primary at this position says about the token. */
  judge(position: Position, token: SessionToken): Verdict {
    if (position.systemId !== token.systemId) return 'foreign'
    if (position.timeline < token.timeline) return 'lost'
    if (position.timeline === token.timeline) {
      const isOther = sameHistory(token, markedHistory(position)) === 'other'
      return isOther || position.lsn < token.lsn ? 'lost' : 'kept'
    }
    const isKept = this.#keptIn(position.past === undefined ? this.#present : position, token)
    if (isKept === undefined) return 'open'
    return isKept ? 'kept' : 'lost'
  }

  /** The token for the position of a primary. */
  tokenOf(position: Position): SessionToken {
    const present = this.#present
    // More may be known of the present history than one answer tells.
    const isPresent = present !== undefined && sameHistory(present, position) !== 'other'
    const { begin = isPresent ? present.begin : undefined } = position
    return tokenAt({ ...position, begin }, position.lsn)
  }

  /** The token for the position of a standby; undefined if its history is not known. */
  tokenOfFollower(
    sampler: NodeSampler,
    { systemId, timeline, lsn }: Position,
  ): SessionToken | undefined {
    const present = this.#present
    const follower = this.#followers.get(sampler)
    const bare = { ...NAMELESS, systemId, timeline }
    if (present === undefined || follower === undefined) return tokenAt(bare, lsn)
    if (standingOf(follower, present).kind !== 'comparable') return undefined
    const its = Math.max(follower.timeline ?? 0, timeline)
    return its === present.timeline
      ? tokenAt({ ...present, systemId, timeline: its }, lsn)
      : tokenAt({ ...bare, timeline: its }, lsn)
  }

  /** Whether the server's last position is of the same history as this position of a primary. */
  isOfOneHistory(sampler: NodeSampler, position: Position): boolean {
    const shown = sampler.position
    if (shown === undefined) return false
    const token = shown.inRecovery ? this.tokenOfFollower(sampler, shown) : this.tokenOf(shown)
    if (token?.timeline !== position.timeline) return false
    return sameHistory(token, markedHistory(position)) !== 'other'
  }

  #compare(token: SessionToken): SameHistory {
    return this.#marked === undefined ? 'unknown' : sameHistory(token, this.#marked)
  }

  /**
   * Whether the token of an older timeline is before the point where the history left that
   * timeline; undefined if the past is not known.
   */
  #keptIn(history: PrimarySample | undefined, token: SessionToken): boolean | undefined {
    const past = history?.past
    if (past === undefined || (history?.timeline ?? 0) < this.#newestKnown()) return undefined
    const began = past.beganAt(token.timeline)
    if (token.begin !== undefined && began !== undefined && token.begin !== began) return false
    return past.keeps(token.timeline, token.lsn)
  }

  /** Whether the present primary has told its history. */
  #isTold(): boolean {
    this.#follow()
    return this.#present !== undefined && this.#toldIn === this.#turns
  }

  /** Notices a new primary of the topology. */
  #follow(): void {
    const current = this.#topology()?.current
    if (current?.primary === undefined || current === this.#seen) return
    this.#seen = current
    const leader = `${current.systemId} ${current.timeline} ${current.primary.id}`
    if (leader === this.#leader) return
    if (this.#leader !== undefined) this.#turns++
    this.#leader = leader
  }

  #newestKnown(): number {
    return Math.max(this.#newest, this.#topology()?.current.timeline ?? 0)
  }
}

function isSameName(one: ClusterHistory, other: ClusterHistory): boolean {
  return (
    one.systemId === other.systemId &&
    one.timeline === other.timeline &&
    one.begin === other.begin &&
    one.startedAt === other.startedAt &&
    one.place === other.place
  )
}
