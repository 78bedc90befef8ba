import type { ConnectionOptions, Driver, Pool, PoolOptions } from '@poolhouse/core'
import type { DiscoveredNode, Discovery, FailoverOptions } from '@poolhouse/failover'
import type { ReplicasOptions } from '@poolhouse/read-replicas'

/** Options of the pools of one database: those of `createPool` that the manager does not set. */
export type DatabasePoolSettings = Omit<
  PoolOptions,
  'driver' | 'connection' | 'name' | 'budget' | 'clock' | 'random'
>

/**
 * One database: a single server, a primary with replicas, or the nodes of a cluster. Takes exactly
 * one of `primary`, `nodes` and `discover`.
 *
 * @example
 * const shop: DatabaseOptions = {
 *   driver: 'pg',
 *   nodes: ['postgres://app@a/shop', 'postgres://app@b/shop'],
 *   pool: { max: 20 },
 *   failover: { hold: { timeoutMs: 20_000 } },
 *   reads: { maxStalenessMs: 2_000 },
 *   weight: 3,
 * }
 * const warehouse: DatabaseOptions = {
 *   primary: 'postgres://app@d/dw',
 *   replicas: ['postgres://app@e/dw'],
 * }
 * const cluster: DatabaseOptions = {
 *   discover: patroni({ urls: ['http://a:8008'] }),
 *   connection: { user: 'app', database: 'shop' },
 * }
 */
export interface DatabaseOptions {
  /** The driver, or its key in `drivers`. Default: the first of `drivers`. */
  driver?: string | Driver | undefined
  /**
   * The server that takes writes. It is not followed: after a failover its address must lead to the
   * new primary. Default: none.
   */
  primary?: string | ConnectionOptions | undefined
  /** Servers for reads, in addition to `primary`. Default: none. */
  replicas?: readonly (string | ConnectionOptions)[] | undefined
  /**
   * The servers of one cluster, or a URL that lists them. The primary is found and followed; the
   * others serve reads. Default: none.
   */
  nodes?: string | readonly (string | ConnectionOptions)[] | undefined
  /** Finds the servers of one cluster, such as `patroni(…)`. Needs `connection`. Default: none. */
  discover?: Discovery<DiscoveredNode> | undefined
  /** How to connect to the servers of `discover`, which gives host and port. Default: none. */
  connection?: ConnectionOptions | undefined
  /** Options of the pool of each server, such as `max`. Default: the defaults of `createPool`. */
  pool?: DatabasePoolSettings | undefined
  /**
   * How the primary is followed. Only with `nodes` and `discover`. Default: the defaults of
   * `withFailover`.
   */
  failover?: Omit<FailoverOptions, 'name' | 'clock' | 'random'> | undefined
  /** How reads are routed. Default: the defaults of `withReplicas`. */
  reads?: Omit<ReplicasOptions, 'name' | 'clock' | 'random'> | undefined
  /** Its share of a short budget, relative to the weights of the others. Default 1. */
  weight?: number | undefined
}

/**
 * The value under a name: a URL (with several hosts it is a cluster whose primary is followed),
 * options, or a pool that was made elsewhere. Such a pool is outside of every budget, and is closed
 * with the manager.
 */
export type DatabaseConfig = string | DatabaseOptions | Pool
