import type {
  ConnectionPool,
  NodeState,
  Pool,
  TopologyNode,
  TopologySnapshot,
} from '@poolhouse/core'
import { topologyOf } from './membership.js'
import type { ReplicaNode } from './replica-node.js'

/**
 * The servers of a pool whose replicas are watched here, as known at `now`, for those who look at
 * it. Where the primary is followed, its nodes come first.
 */
export function observedTopology(
  primary: Pool,
  replicas: readonly ReplicaNode[],
  now: number,
): TopologySnapshot {
  const followed = topologyOf(primary)?.current
  const first = followed?.primary ?? fixedPrimary(primary)
  const others = followed?.nodes ?? (first === undefined ? [] : [first])
  const watched = replicas.map((node) => replicaOf(node, now))
  return Object.freeze({
    epoch: followed?.epoch ?? 1,
    systemId: followed?.systemId,
    timeline: followed?.timeline,
    primary: first,
    replicas: Object.freeze(watched.filter(({ state }) => state === 'replica')),
    nodes: Object.freeze([...others, ...watched]),
  })
}

function fixedPrimary(primary: Pool): TopologyNode | undefined {
  const pool = primary as ConnectionPool
  if (pool.endpoint === undefined) return undefined
  return Object.freeze({
    id: pool.name,
    endpoint: pool.endpoint,
    pool,
    state: 'primary',
    lag: undefined,
    zone: undefined,
    reason: 'configured',
  })
}

function replicaOf(node: ReplicaNode, now: number): TopologyNode {
  const { pool, zone, stray, unfit, ejected, unidentified, freshness } = node
  const state: NodeState =
    stray !== undefined ? 'diverged' : (unfit ?? ejected) === undefined ? 'replica' : 'unreachable'
  const lag = { ms: node.stalenessAt(now), bytes: node.bytesBehind, at: now, still: false }
  return Object.freeze({
    id: pool.name,
    endpoint: pool.endpoint,
    pool,
    state,
    lag: state === 'replica' ? Object.freeze(lag) : undefined,
    zone,
    reason: stray ?? unfit ?? ejected ?? unidentified ?? freshness ?? 'configured',
  })
}
