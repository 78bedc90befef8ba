import type { PoolEventEmitter } from '../api/events.js'
import type { PoolSnapshot, PoolStats } from '../api/stats.js'
import type { TopologySnapshot } from '../api/topology.js'

/** The connections of one server that several pools share, as seen from outside. */
export interface ObservedBudget {
  /** Most connections. */
  readonly limit: number
  /** Connections of pools, open or being opened or closed. */
  readonly used: number
  /** Monitors and LISTEN. They count against the limit and are never refused. */
  readonly beside: number
  /** Pools that wait for a permit to connect. */
  readonly waiting: number
  /** Connections that were closed to make room for another pool. */
  readonly reclaimed: number
}

/** A database or tenant with connections of a budget. */
export interface BudgetHolder {
  /** Name of the database, or id of the tenant. */
  readonly name: string
  /** Which of the two it is. */
  readonly kind: 'database' | 'tenant'
  /** How many of the connections it has. */
  readonly held: number
}

/** The statistics of everything that is observed. */
export interface ObservedStats {
  /** By name of the pool, or of the manager's database. */
  readonly databases: Readonly<Record<string, PoolStats>>
  /** The budget of each server, by `host:port`; empty for a pool, which has none. */
  readonly servers: Readonly<Record<string, ObservedBudget>>
  /** How many tenants have pools. */
  readonly tenantPools: number
  /** How many tenants' pools were closed because they were unused, or too many. */
  readonly tenantEvictions: number
}

/** One pool of those that are observed. */
export interface ObservedPool {
  /** Name of the pool, of the manager's database, or id of the tenant. */
  readonly name: string
  /** Whether it belongs to a tenant. */
  readonly kind: 'database' | 'tenant'
  /** Its statistics; see `Pool.stats`. */
  stats(): PoolStats
  /** The inside of each of its connection pools: one for each server that it has used. */
  inspect(): readonly PoolSnapshot[]
  /**
   * Its servers, their roles and how far they are behind, as known now; undefined where it has one
   * server. Asks no server, and starts no watch.
   */
  topology(): TopologySnapshot | undefined
}

/**
 * What metrics, logs and pages need of a pool or a manager. A manager is one; `observe(pool)` makes
 * one of any pool. Looking costs the pool nothing but the look, and opens nothing.
 */
export interface Observable extends PoolEventEmitter {
  /**
   * The pools: of a manager every named database, then the tenants that have pools of their own, at
   * most 100, those with the most connections first.
   */
  pools(): readonly ObservedPool[]
  /** The statistics of the named pools and of the budgets. */
  stats(): ObservedStats
  /**
   * Which databases and tenants have the connections of each budget, by `host:port`: at most 100
   * each, those with the most first. Not part of `stats()`, whose figures name no tenant.
   */
  holders(): Readonly<Record<string, readonly BudgetHolder[]>>
  /** The inside of every connection pool of `pools()`. */
  inspect(): readonly PoolSnapshot[]
}
