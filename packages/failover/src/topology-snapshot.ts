import type {
  ConnectionPool,
  LagRing,
  NodeLag,
  TopologyNode,
  TopologySnapshot,
} from '@poolhouse/core'
import { type ClusterView, highestTimeline } from './cluster-view.js'
import type { Judgement } from './judgement.js'

/** Makes the immutable snapshot that the world sees. */
export function snapshotOf(
  epoch: number,
  pools: readonly ConnectionPool[],
  view: ClusterView,
  judgement: Judgement,
  ring: LagRing,
  now: number,
): TopologySnapshot {
  const nodes = pools.map((pool): TopologyNode => {
    const verdict = judgement.verdicts.get(pool.name)!
    return Object.freeze({
      id: pool.name,
      endpoint: pool.endpoint,
      pool,
      state: verdict.state,
      lag: verdict.state === 'replica' ? lagOf(view, pool.name, ring, now) : undefined,
      zone: undefined,
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

function lagOf(view: ClusterView, id: string, ring: LagRing, now: number): NodeLag {
  const standing = view.nodes.get(id)?.standing
  const lsn = standing?.kind === 'answer' ? standing.facts.lsn : undefined
  return Object.freeze({
    ms: lsn === undefined ? undefined : ring.staleness(lsn, now),
    bytes: lsn === undefined ? undefined : ring.bytesBehind(lsn),
  })
}

/** Whether the two tell the same story, leaving out the lag, which moves with every probe. */
export function sameRoles(one: TopologySnapshot, other: TopologySnapshot): boolean {
  return (
    one.systemId === other.systemId &&
    one.timeline === other.timeline &&
    one.nodes.every((node, index) => {
      const twin = other.nodes[index]
      return node.state === twin?.state && node.reason === twin.reason
    })
  )
}

/** What is known of each node, in one line for humans. */
export function describeNodes(snapshot: TopologySnapshot): string {
  return describe(snapshot.nodes)
}

/** What is new about the nodes, in one line for humans. */
export function describeChange(previous: TopologySnapshot, next: TopologySnapshot): string {
  const changed = next.nodes.filter(({ state, reason }, index) => {
    const former = previous.nodes[index]
    return state !== former?.state || reason !== former.reason
  })
  return changed.length > 0 ? describe(changed) : `timeline ${next.timeline ?? 'unknown'}`
}

function describe(nodes: readonly TopologyNode[]): string {
  return nodes.map(({ id, state, reason }) => `"${id}" ${state} (${reason})`).join(', ')
}
