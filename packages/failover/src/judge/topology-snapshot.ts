import type { ConnectionPool, NodeLag, TopologyNode, TopologySnapshot } from '@poolhouse/core'
import type { LagRing, ServerLife } from '@poolhouse/core/kit'
import { type ClusterView, highestTimeline, type NodeRecord } from './cluster-view.js'
import { followingOf, type Judgement } from './judgement.js'

/** The time up to which the lag of the replicas counts. */
export interface Age {
  /** Client time now; or, once no server can commit any more, the time when that became known. */
  readonly at: number
  /** Whether no server can commit any more, so that replicas do not grow older. */
  readonly still: boolean
}

/** Makes the snapshot that `Topology.current` returns. Immutable. */
export function snapshotOf(
  epoch: number,
  entries: Iterable<{ readonly pool: ConnectionPool; readonly zone: string | undefined }>,
  view: ClusterView,
  judgement: Judgement,
  ring: LagRing,
  age: Age,
): TopologySnapshot {
  const nodes = Array.from(entries, ({ pool, zone }): TopologyNode => {
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

/**
 * The server that answered last; undefined behind a pooler, where connections may lead to others.
 */
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
  // A position in another history than the primary's cannot be compared.
  const isComparable = followingOf(view, id)?.kind === 'comparable'
  const lsn = isComparable && standing?.kind === 'answer' ? standing.facts.lsn : undefined
  // A primary that does not answer may have written anything since.
  const isKnown = lsn !== undefined && (still || primary !== undefined)
  return Object.freeze({
    ms: lsn === undefined ? undefined : ring.staleness(lsn, at),
    bytes: isKnown ? ring.bytesBehind(lsn) : undefined,
    at,
    still,
  })
}

/** Whether two snapshots are equal apart from the lag, which changes with every probe. */
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
        // A dead node may fail with another reason at each probe, which is no change.
        (node.reason === twin.reason || node.state === 'unreachable') &&
        node.zone === twin.zone
      )
    })
  )
}

/** State and reason of each node, in one line for humans. */
export function describeNodes({ nodes }: TopologySnapshot): string {
  if (nodes.length === 0) return 'none has been discovered yet'
  return nodes.map(({ id, state, reason }) => `"${id}" ${state} (${reason})`).join(', ')
}

/**
 * Names the fenced servers, in one line for humans, if no server claims to be primary without being
 * fenced. Undefined otherwise, and if there is no fenced server.
 */
export function describeFencedClaims({ nodes }: TopologySnapshot): string | undefined {
  if (nodes.some(({ state }) => state === 'primary' || state === 'primary-read-only')) {
    return undefined
  }
  const claims = nodes.filter(({ state }) => state === 'fenced')
  if (claims.length === 0) return undefined
  return claims.map(({ id, reason }) => `"${id}" is fenced (${reason})`).join('; ')
}
