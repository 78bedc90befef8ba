import type { ServerLife } from '../server/server-identity.js'
import type { Endpoint } from '../settings/endpoint.js'
import type { ConnectionPool } from './pool.js'

/** What is known about a node. The words are explained in `docs/glossary.md`. */
export type NodeState =
  | 'unknown'
  | 'starting'
  | 'primary'
  | 'primary-read-only'
  | 'replica'
  | 'unreachable'
  | 'fenced'
  | 'foreign'
  | 'diverged'
  | 'draining'

/** How far a replica is behind; `undefined` parts are not known. */
export interface NodeLag {
  /**
   * Upper bound of its staleness in milliseconds of client time, when the snapshot was made. It
   * grows with the clock from then on, unless `still`.
   */
  readonly ms: number | undefined
  /** Write-ahead log it has not replayed, in bytes, by what the primary has said last. */
  readonly bytes: number | undefined
  /**
   * Client time of the snapshot, as `performance.now()`. Left out: when the snapshot is first seen.
   */
  readonly at?: number | undefined
  /**
   * Whether nothing can be committed meanwhile: the primary is gone, and no other server may be
   * one. `ms` then stays as it is.
   */
  readonly still?: boolean | undefined
}

/** One physical server and its pool. */
export interface TopologyNode {
  /** Name of its pool; unique in the topology. */
  readonly id: string
  /** Where it is. */
  readonly endpoint: Endpoint
  /** Connections to it. */
  readonly pool: ConnectionPool
  /** What it is, as last observed. */
  readonly state: NodeState
  /** How far it is behind, for replicas. */
  readonly lag: NodeLag | undefined
  /** Zone it lives in, as configured. */
  readonly zone: string | undefined
  /**
   * The server that answered under the node's name when it was observed: what is told of the node
   * is about that one, also where the name leads to several. Undefined where that is not known.
   */
  readonly server?: ServerLife | undefined
  /** Why it is in this state, for humans. */
  readonly reason: string
}

/** An immutable view of all nodes. A later view has a higher `epoch`. */
export interface TopologySnapshot {
  /** Grows by one with every change. */
  readonly epoch: number
  /** System identifier of the cluster, once seen. */
  readonly systemId: string | undefined
  /** Highest timeline seen, once seen. */
  readonly timeline: number | undefined
  /** The node that takes writes, if there is one. */
  readonly primary: TopologyNode | undefined
  /** The nodes that serve reads, whatever their lag. */
  readonly replicas: readonly TopologyNode[]
  /** Every node that is configured or was discovered. */
  readonly nodes: readonly TopologyNode[]
}

/** Which node is primary, which are replicas and how far behind, and the listeners for changes. */
export interface Topology {
  /** The newest snapshot. */
  readonly current: TopologySnapshot
  /**
   * Calls `listener` after each change; returns the function that ends it.
   *
   * @example
   * const end = primary.topology.subscribe((now) => log.info(now.primary?.id ?? 'no primary'))
   * end()
   */
  subscribe(listener: (snapshot: TopologySnapshot, previous: TopologySnapshot) => void): () => void
  /**
   * Asks for a new observation at once; resolves when it has been made.
   *
   * @example
   * await primary.topology.refresh('a write was refused')
   */
  refresh(reason: string): Promise<void>
}

/**
 * The nodes of a topology that never changes.
 *
 * @example
 * const topology = staticTopology({ primary: pool, replicas: [replicaB, replicaC] })
 */
export interface StaticTopologyOptions {
  /** The server that takes writes. Default: none. */
  primary?: ConnectionPool
  /** The servers that serve reads. Default: none. */
  replicas?: readonly ConnectionPool[]
}

/**
 * A topology as configured, for setups in which another system moves the roles. Its snapshot never
 * changes.
 *
 * @example
 * const topology = staticTopology({ primary: pool, replicas: [replicaB, replicaC] })
 * console.log(topology.current.replicas.length) // 2
 */
export function staticTopology(options: StaticTopologyOptions): Topology {
  const nodeOf = (pool: ConnectionPool, state: NodeState): TopologyNode =>
    Object.freeze({
      id: pool.name,
      endpoint: pool.endpoint,
      pool,
      state,
      lag: undefined,
      zone: undefined,
      reason: 'configured',
    })
  const primary = options.primary && nodeOf(options.primary, 'primary')
  const replicas = Object.freeze((options.replicas ?? []).map((pool) => nodeOf(pool, 'replica')))
  const current: TopologySnapshot = Object.freeze({
    epoch: 1,
    systemId: undefined,
    timeline: undefined,
    primary,
    replicas,
    nodes: Object.freeze(primary ? [primary, ...replicas] : [...replicas]),
  })
  return { current, subscribe: () => () => {}, refresh: () => Promise.resolve() }
}
