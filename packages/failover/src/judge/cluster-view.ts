import { type Follower, isSameServer, type PresentHistory } from '@poolhouse/core/kit'
import type { ProbeFacts } from '../base/observation.js'

/**
 * What the conclusive probes of a node say:
 *
 * - `none`: nothing yet
 * - `answer`: it told its facts
 * - `starting`: it starts up or shuts down
 * - `denied`: it refuses us, which says nothing about its role
 * - `down`: it is not there; `gone` if that is proven (refused) and not inferred from silence
 */
export type Standing =
  | { readonly kind: 'none'; readonly detail: string }
  | { readonly kind: 'answer'; readonly facts: ProbeFacts }
  | { readonly kind: 'starting'; readonly detail: string }
  | { readonly kind: 'denied'; readonly error: Error }
  | { readonly kind: 'down'; readonly detail: string; readonly gone: boolean }

/** What is known of one node. */
export interface NodeRecord {
  /**
   * When the newest probe that was believed was sent, in client time; an older one is never
   * believed again.
   */
  readonly sentAt: number
  /** What its conclusive probes say. */
  readonly standing: Standing
  /** Failed probes in a row; once they are enough the standing is `down`. */
  readonly failures: number
  /**
   * What stands between us and the server, once it is known that something does; then two
   * connections may end at two servers.
   */
  readonly behind: string | undefined
  /** What is known of it as a follower of the primary; undefined before it has answered. */
  readonly follower: Follower | undefined
  /**
   * What it said when it claimed to be primary last; undefined once it is known to have given that
   * up.
   */
  readonly claim: ProbeFacts | undefined
  /**
   * The servers that answered here one after the other, the newest last; a restarted one counts as
   * another.
   */
  readonly servers: readonly string[]
}

/**
 * Two servers have claimed to be primary on one timeline, at once or one after the other. It lasts
 * until all but one of them are known to have given up: they answer as something else, nobody
 * listens there any more, or an operator or a discovery has taken them out.
 */
export interface Contest {
  readonly timeline: number | undefined
  readonly nodes: readonly string[]
}

/** Everything that is known of a cluster; what follows from it says `judge`. Immutable. */
export interface ClusterView {
  readonly fence: 'timeline' | 'off'
  /** Failed probes in a row that prove a node dead. */
  readonly deadAfter: number
  /** Lowest timeline to believe, as configured. */
  readonly minimumTimeline: number | undefined
  /**
   * Nobody is elected before the first round of probes is over, so that the fastest answer is not
   * taken for the best.
   */
  readonly settled: boolean
  /** The cluster we belong to; never changes once it is known. */
  readonly systemId: string | undefined
  /** Highest timeline on which any server of a system claimed to be primary; never falls. */
  readonly highest: ReadonlyMap<string, number>
  /** An undecided split brain. */
  readonly contest: Contest | undefined
  /** Nodes that get no new work unless they are the primary, and why. */
  readonly withheld: ReadonlyMap<string, string>
  /** Nodes that are not listed any more; against another claimant they lose. */
  readonly leaving: ReadonlySet<string>
  /** Nodes that an operator has drained; against another claimant they lose too. */
  readonly drained: ReadonlySet<string>
  /** The history that the primary writes, as it said last. */
  readonly present: PresentHistory | undefined
  /** The node elected last. */
  readonly lastPrimary: string | undefined
  /** Every node, in configured order. */
  readonly nodes: ReadonlyMap<string, NodeRecord>
}

/**
 * The highest timeline on which a server of our system claimed to be primary, or the configured
 * minimum.
 */
export function highestTimeline(
  view: Pick<ClusterView, 'highest' | 'systemId' | 'minimumTimeline'>,
): number | undefined {
  const seen = view.systemId === undefined ? undefined : view.highest.get(view.systemId)
  if (seen === undefined) return view.minimumTimeline
  return Math.max(seen, view.minimumTimeline ?? 0)
}

/** Whether a server that says this claims to be the primary of our cluster on this timeline. */
export function isClaim(
  facts: ProbeFacts,
  view: Pick<ClusterView, 'fence' | 'systemId'>,
  timeline: number | undefined,
): boolean {
  if (facts.inRecovery || facts.readOnly) return false
  if (view.fence === 'off') return true
  return facts.systemId === view.systemId && facts.timeline === timeline && timeline !== undefined
}

/**
 * Whether another server, under a name that is still listed, claims to be primary on the highest
 * timeline.
 */
export function hasListedRival(view: ClusterView, id: string): boolean {
  const timeline = view.fence === 'off' ? undefined : highestTimeline(view)
  const own = view.nodes.get(id)
  return [...view.nodes].some(
    ([other, { standing }]) =>
      other !== id &&
      !view.leaving.has(other) &&
      standing.kind === 'answer' &&
      isClaim(standing.facts, view, timeline) &&
      !areNamesOfOne(own, { standing }),
  )
}

/** Whether both names lead to one server, as it said when it was last asked under each of them. */
export function areNamesOfOne(
  one: Pick<NodeRecord, 'standing'> | undefined,
  other: Pick<NodeRecord, 'standing'> | undefined,
): boolean {
  return (
    one?.standing.kind === 'answer' &&
    other?.standing.kind === 'answer' &&
    isSameServer(one.standing.facts, other.standing.facts)
  )
}

/** What the node's server said in its last probe; undefined if that got no answer. */
export function factsOf(view: ClusterView, id: string): ProbeFacts | undefined {
  const standing = view.nodes.get(id)?.standing
  return standing?.kind === 'answer' ? standing.facts : undefined
}
