import type { ConnectionPool, Pool, Topology, TopologyNode } from '@poolhouse/core'
import type { NodeSampler } from '../position/node-sampler.js'
import type { ReplicaNode } from './replica-node.js'

/**
 * Where the nodes come from: plain pools that are watched here, or a topology that is watched
 * elsewhere.
 */
export interface Membership {
  /** Pools that only this knows of and that close with the router. */
  readonly owned: readonly ConnectionPool[]
  /** The topology that watches them; undefined where they are watched here. */
  readonly topology: Topology | undefined
  /**
   * A server that serves reads when neither a replica nor the primary can; undefined if there is
   * none.
   */
  readonly standIn: TopologyNode | undefined
  /** Whether it is still to be found out how far the node is behind, or that this cannot be. */
  undecided(node: ReplicaNode): boolean
  /** A read failed on the node: see what has become of it, if nobody does so anyway. */
  suspect(node: ReplicaNode): void
  /** Who asks this pool's server where it is, if anybody does. */
  samplerOf(pool: Pool): NodeSampler | undefined
  /** Ends the watch. */
  stop(): void
}

/** The topology of a pool that has one: a `FailoverPool` shows its own. */
export function topologyOf(pool: Pool): Topology | undefined {
  const { topology } = pool as { topology?: Partial<Topology> }
  return isTopology(topology) ? topology : undefined
}

/** Whether the value can be asked like a topology. */
export function isTopology(value: unknown): value is Topology {
  const topology = value as Partial<Topology> | null | undefined
  return typeof topology?.subscribe === 'function' && typeof topology.current === 'object'
}

/** The node that takes the pool's writes now: the pool itself, or the primary of its topology. */
export function primaryPoolOf(pool: Pool): Pool {
  return topologyOf(pool)?.current.primary?.pool ?? pool
}
