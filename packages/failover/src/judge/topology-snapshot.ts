import type { NodeLag, TopologyNode, TopologySnapshot } from '@poolhouse/core'
import type { LagRing, ServerLife } from '@poolhouse/core/kit'
import type { Member } from '../nodes/node-set.js'
import { type ClusterView, highestTimeline, type NodeRecord } from './cluster-view.js'
import { followingOf, type Judgement } from './judgement.js'

/** The time up to which a server may have committed something. */
export interface Age {
  /** Client time now; or, where nothing can be committed any more, when that became known. */
  readonly at: number
  /** Whether nothing can be committed any more. */
  readonly still: boolean
}

/** Makes the immutable snapshot that the world sees. */
export function snapshotOf(
  epoch: number,
  members: Iterable<Member>,
  view: ClusterView,
  judgement: Judgement,
  ring: LagRing,
  age: Age,
): TopologySnapshot {
  const nodes = Array.from(members, ({ pool, zone }): TopologyNode => {
    const verdict = judgement.verdicts.get(pool.name)!
    return Object.freeze({
      id: pool.name,
      endpoint: pool.endpoint,
      pool,
      state: verdict.state,
      lag: verdict.state === 'replica' ? lagOf(view, judgement, pool.name, ring, age) : undefined,
      zone,
      server: serverOf(view.nodes.get(pool.name)),
      reason: verdict.reason,
    })
  })
  return Object.freeze({
    epoch,
    systemId: view.systemId,
    timeline: highestTimeline(view),
    primary: nodes.find(({ id }) => id === judgement.primary),
    replicas: Object.freeze(nodes.filter(({ state }) => state === 'replica')),
    nodes: Object.freeze(nodes),
  })
}

/** The server that answered last; undefined where two connections may end at two servers. */
function serverOf(record: NodeRecord | undefined): ServerLife | undefined {
  if (record?.standing.kind !== 'answer' || record.behind !== undefined) return undefined
  const { systemId, startedAt, port } = record.standing.facts
  return startedAt === undefined ? undefined : { systemId, startedAt, port }
}

function lagOf(
  view: ClusterView,
  { primary }: Judgement,
  id: string,
  ring: LagRing,
  { at, still }: Age,
): NodeLag {
  const standing = view.nodes.get(id)?.standing
  // A position in another history than the primary's says nothing.
  const isComparable = followingOf(view, id)?.kind === 'comparable'
  const lsn = isComparable && standing?.kind === 'answer' ? standing.facts.lsn : undefined
  // A primary that is out of sight may have written anything since.
  const isKnown = lsn !== undefined && (still || primary !== undefined)
  return Object.freeze({
    ms: lsn === undefined ? undefined : ring.staleness(lsn, at),
    bytes: isKnown ? ring.bytesBehind(lsn) : undefined,
    at,
    still,
  })
}

/** Whether the two tell the same story, leaving out the lag, which moves with every probe. */
export function sameRoles(one: TopologySnapshot, other: TopologySnapshot): boolean {
  return (
    one.systemId === other.systemId &&
    one.timeline === other.timeline &&
    one.nodes.length === other.nodes.length &&
    one.nodes.every((node, index) => {
      const twin = other.nodes[index]
      return (
        node.pool === twin?.pool &&
        node.state === twin.state &&
        // What a dead node fails with next, and how often it has, is no news.
        (node.reason === twin.reason || node.state === 'unreachable') &&
        node.zone === twin.zone
      )
    })
  )
}

/** What is known of each node, in one line for humans. */
export function describeNodes({ nodes }: TopologySnapshot): string {
  if (nodes.length === 0) return 'none has been discovered yet'
  return nodes.map(({ id, state, reason }) => `"${id}" ${state} (${reason})`).join(', ')
}
