import { type Follower, isSameServer, type PresentHistory } from '@poolhouse/core/kit'
import type { ProbeFacts } from '../base/observation.js'

/**
 * What the conclusive probes of a node have shown:
 *
 * - `none`: nothing yet
 * - `answer`: the server answered with its facts
 * - `starting`: it is starting up or shutting down
 * - `denied`: it refuses our credentials or database, which says nothing about its role
 * - `down`: it is dead; `gone` if that is proven (connection refused) and not inferred from silence
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
   * When the newest probe that was taken into account was sent, in client time. Older probes are
   * ignored from then on.
   */
  readonly sentAt: number
  /** What its conclusive probes have shown. */
  readonly standing: Standing
  /** Failed probes in a row. From `deadAfter` on the standing is `down`. */
  readonly failures: number
  /**
   * The pooler or proxy in front of the server, once one has been noticed. Two connections may then
   * lead to two servers.
   */
  readonly behind: string | undefined
  /** What is known about it as a follower of the primary; undefined before its first answer. */
  readonly follower: Follower | undefined
  /**
   * Its facts when it last claimed to be primary; undefined once it is known to have given up that
   * claim.
   */
  readonly claim: ProbeFacts | undefined
  /**
   * Whether it has been found dead since its last answer: what answers at its address now may be
   * another server.
   */
  readonly lost: boolean
  /**
   * The servers that have answered at this address, the newest last. A restarted server counts as
   * another one.
   */
  readonly servers: readonly string[]
}

/**
 * A split brain: two servers have claimed to be primary on one timeline, at the same time or one
 * after the other. It lasts until all but one of them are known to have given up: they answer with
 * another role, nothing listens at their address any more, or an operator or a discovery has taken
 * them out.
 */
export interface Contest {
  readonly timeline: number | undefined
  readonly nodes: readonly string[]
}

/** Everything that is known about a cluster. Immutable. `judge` says what follows from it. */
export interface ClusterView {
  readonly fence: 'timeline' | 'off'
  /** Failed probes in a row that prove a node dead. */
  readonly deadAfter: number
  /** The configured `minimumTimeline`. */
  readonly minimumTimeline: number | undefined
  /**
   * Whether the first round of probes is over. No primary is elected before that; else the fastest
   * answer would win over the best one.
   */
  readonly settled: boolean
  /** System identifier of our cluster. Once known, only `acceptSystem` changes it. */
  readonly systemId: string | undefined
  /** By system, the highest timeline on which any server claimed to be primary. Never falls. */
  readonly highest: ReadonlyMap<string, number>
  /** The split brain, if there is one. */
  readonly contest: Contest | undefined
  /** Nodes that get no new work unless they are the primary, each with the reason. */
  readonly withheld: ReadonlyMap<string, string>
  /**
   * Nodes that are not listed any more. They lose against another server that claims to be primary.
   */
  readonly leaving: ReadonlySet<string>
  /** Nodes that an operator has drained. They lose against another such server too. */
  readonly drained: ReadonlySet<string>
  /** The history that the primary writes, according to its last probe. */
  readonly present: PresentHistory | undefined
  /** The node that was primary last. */
  readonly lastPrimary: string | undefined
  /** Every node, in configured order. */
  readonly nodes: ReadonlyMap<string, NodeRecord>
}

/**
 * The highest timeline on which a server of our system claimed to be primary, or the configured
 * minimum if that is higher. Undefined if neither is known.
 */
export function highestTimeline(
  view: Pick<ClusterView, 'highest' | 'systemId' | 'minimumTimeline'>,
): number | undefined {
  const seen = view.systemId === undefined ? undefined : view.highest.get(view.systemId)
  if (seen === undefined) return view.minimumTimeline
  return Math.max(seen, view.minimumTimeline ?? 0)
}

/** Whether a server with these facts claims to be the primary of our cluster on this timeline. */
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
 * Whether another server claims to be primary on the highest timeline, under a name that is still
 * listed.
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

/** Whether both names lead to one server, according to the last probe of each. */
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

/** The facts of the node's last probe; undefined unless it was answered. */
export function factsOf(view: ClusterView, id: string): ProbeFacts | undefined {
  const standing = view.nodes.get(id)?.standing
  return standing?.kind === 'answer' ? standing.facts : undefined
}

/**
 * Identifies the life of the node's server: it changes when the server is promoted or restarted, or
 * when another server answers. Undefined unless the last probe was answered.
 */
export function lifeOf(view: ClusterView, id: string): string | undefined {
  const facts = factsOf(view, id)
  return facts && `${facts.systemId} ${facts.timeline} ${facts.startedAt}`
}
