import type { ConnectionPool, Pool, Topology, TopologyNode } from '@poolhouse/core'
import type { NodeSampler } from '../position/node-sampler.js'
import type { ReplicaNode } from './replica-node.js'

/**
 * The source of the nodes: plain pools that are watched here, or a topology that another package
 * watches.
 */
export interface Membership {
  /** Pools that close with the routing pool, because no topology owns them. */
  readonly owned: readonly ConnectionPool[]
  /** The topology that watches the nodes; undefined where they are watched here. */
  readonly topology: Topology | undefined
  /**
   * A server that serves reads when neither a replica nor a primary can; undefined if there is
   * none.
   */
  readonly standIn: TopologyNode | undefined
  /**
   * Whether it is still open how far the node is behind. False once it is known, or known not to be
   * available.
   */
  undecided(node: ReplicaNode): boolean
  /** A read failed on the node: look at the node again, if no monitor does so anyway. */
  suspect(node: ReplicaNode): void
  /** The sampler of this pool's server, if the membership has one. */
  samplerOf(pool: Pool): NodeSampler | undefined
  /** Stops watching. */
  stop(): void
}

/** The topology of a pool that has one, such as a `FailoverPool`. */
export function topologyOf(pool: Pool): Topology | undefined {
  const { topology } = pool as { topology?: Partial<Topology> }
  return isTopology(topology) ? topology : undefined
}

/** Whether the value has the shape of a topology. */
export function isTopology(value: unknown): value is Topology {
  const topology = value as Partial<Topology> | null | undefined
  return typeof topology?.subscribe === 'function' && typeof topology.current === 'object'
}

/**
 * The pool of the node that takes the writes now: the pool itself, or the primary of its topology.
 */
export function primaryPoolOf(pool: Pool): Pool {
  return topologyOf(pool)?.current.primary?.pool ?? pool
}
