import type { ConnectionOptions, Driver, Pool, PoolOptions } from '@poolhouse/core'
import type { DiscoveredNode, Discovery, FailoverOptions } from '@poolhouse/failover'
import type { ReplicasOptions } from '@poolhouse/read-replicas'

/**
 * Options of the pools of one database: those of `createPool` that the manager does not set itself.
 */
export type DatabasePoolSettings = Omit<
  PoolOptions,
  'driver' | 'connection' | 'name' | 'budget' | 'clock' | 'random'
>

/**
 * One database: a server, a primary with replicas, or the nodes of a cluster. Exactly one of
 * `primary`, `nodes` and `discover`.
 */
export interface DatabaseOptions {
  /** The driver, or its key in `drivers`. Default: the first of `drivers`. */
  driver?: string | Driver | undefined
  /**
   * The one server that takes writes, and always will: somebody else moves the address when it
   * fails.
   */
  primary?: string | ConnectionOptions | undefined
  /** Servers for reads beside `primary`. Default: none. */
  replicas?: readonly (string | ConnectionOptions)[] | undefined
  /**
   * The servers of one cluster, or a URL that lists them: the primary is found and followed, the
   * others serve reads.
   */
  nodes?: string | readonly (string | ConnectionOptions)[] | undefined
  /** Lists the servers of one cluster, such as `patroni(…)`; needs `connection`. */
  discover?: Discovery<DiscoveredNode> | undefined
  /** How to connect to what `discover` lists; host and port come from there. */
  connection?: ConnectionOptions | undefined
  /** Options of the pool of each server, such as `max`. */
  pool?: DatabasePoolSettings | undefined
  /** How the primary is followed, with `nodes` and `discover`. */
  failover?: Omit<FailoverOptions, 'name' | 'clock' | 'random'> | undefined
  /** How reads are routed. */
  reads?: Omit<ReplicasOptions, 'name' | 'clock' | 'random'> | undefined
  /** Its share when the budget of a server is short, against 1 of every other. Default 1. */
  weight?: number | undefined
}

/**
 * What stands under a name: a URL (one with several hosts is a cluster whose primary is followed),
 * options, or a pool that was made elsewhere, which is then outside every budget and is closed with
 * the manager.
 */
export type DatabaseConfig = string | DatabaseOptions | Pool
