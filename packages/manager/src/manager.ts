import type { Clock, CloseOptions, Driver, Pool, PoolStats } from '@poolhouse/core'
import type { BudgetStats } from './budget/server-budget.js'
import type { ConfigEntry } from './config/explain.js'
import type { ManagerHealth } from './health/health.js'
import type { BudgetOptions } from './options/budget-options.js'
import type { DatabaseConfig } from './options/database-options.js'
import type { DatabasePool, FollowedDatabase, NamedDatabase } from './options/database-pool.js'
import type { TenantOptions } from './options/tenant-options.js'

/** The databases of a manager, by name. */
export type Databases = Readonly<Record<string, DatabaseConfig>>

/** What makes a database one whose primary is followed. */
type Followed =
  | {
      /** A list of nodes. */
      readonly nodes: unknown
    }
  | {
      /** What finds the nodes. */
      readonly discover: unknown
    }

/**
 * What stands under a name: a ready pool as it was given, a database whose primary is followed for
 * `nodes` and `discover`, else a named database. A URL is a text to the compiler, however many
 * hosts it lists: give it as `{ nodes: '…' }`.
 */
export type DatabaseOf<Config> = Config extends Pool
  ? Config
  : Config extends Followed
    ? FollowedDatabase
    : NamedDatabase

/** Options of `createManager`. */
export interface ManagerOptions<Named extends Databases> {
  /**
   * Drivers by key: `{ pg: nodePostgres(), js: postgresJs() }`. The first is that of every database
   * that names none.
   */
  drivers?: Readonly<Record<string, Driver>> | undefined
  /** The databases, by name. */
  databases: Named
  /** Tenants, if there are any. */
  tenants?: TenantOptions | undefined
  /** How many connections this process may have at each server. */
  budget?: BudgetOptions | undefined
  /** Where values came from, by path, as `loadConfig` tells. Default: everything is `code`. */
  origins?: Readonly<Record<string, string>> | undefined
  /**
   * Variables of the environment that were not taken, and why, as `loadConfig` tells;
   * `explainConfig()` lists them. Default: none.
   */
  skipped?: Readonly<Record<string, string>> | undefined
  /** Source of time. Default: the system's monotonic clock. */
  clock?: Clock | undefined
  /** Source of randomness from 0 (included) to 1 (excluded). Default `Math.random`. */
  random?: (() => number) | undefined
}

/** How to shut down. */
export interface ShutdownOptions {
  /**
   * Longest time for work under way to finish, in milliseconds, before it is cancelled. Default 20
   * 000: within the 30 s of Kubernetes.
   */
  graceMs?: number | undefined
  /**
   * How long readiness fails before new work is refused, so that load balancers notice, in
   * milliseconds. Default 0.
   */
  delayMs?: number | undefined
}

/** How to wait for the databases. */
export interface ReadyOptions {
  /** Longest wait, in milliseconds. Default 10 000. */
  timeoutMs?: number | undefined
}

/** What `stats` tells beside the named databases. */
export interface StatsOptions {
  /** Tenants to tell about; no others are named. At most 100. Default: none. */
  tenants?: readonly string[] | undefined
}

/** The statistics of a manager. */
export interface ManagerStats {
  /** By name of the database. */
  readonly databases: Readonly<Record<string, PoolStats>>
  /** The budget of each server, by `host:port`. */
  readonly servers: Readonly<Record<string, BudgetStats>>
  /** The tenants that were asked for, by id; those without pools are left out. */
  readonly tenants: Readonly<Record<string, PoolStats>>
  /** How many tenants have pools. */
  readonly tenantPools: number
}

/**
 * Many databases and tenants, one bounded number of connections to each server, an orderly start
 * and stop.
 */
export interface Manager<Named extends Databases = Databases> extends AsyncDisposable {
  /**
   * The database of this name. Nothing is opened before its first use. Throws `RangeError` for an
   * unknown name.
   */
  database<Name extends keyof Named & string>(name: Name): DatabaseOf<Named[Name]>
  /**
   * The pool of a tenant; without an id, that of the tenant in whose scope the caller is. Nothing
   * is resolved before its first call: for an unknown tenant that call rejects with
   * `UnknownTenantError`, without a connection, and in the scope of another tenant with
   * `WrongTenantError`. Throws `TypeError` for what cannot be an id.
   */
  tenant(id?: string): DatabasePool
  /**
   * Runs `work` in the scope of a tenant: until it settles, calls for any other tenant are refused
   * with `WrongTenantError`. Scopes of one tenant nest.
   */
  runAs<R>(id: string, work: () => R): R
  /** Runs `work` outside the scope of any tenant, for what is meant to cross them. */
  unscoped<R>(work: () => R): R
  /**
   * Resolves when every database answers and its pool is ready (`Pool.ready`); rejects with what
   * failed.
   */
  ready(options?: ReadyOptions): Promise<void>
  /** What works and what does not, as known now; asks no server. */
  health(): ManagerHealth
  /** An immutable picture of pools and budgets. Tenants are named only if asked for. */
  stats(options?: StatsOptions): ManagerStats
  /**
   * Takes new sizes, hosts and credentials of the databases. What runs finishes where it began.
   * Throws `ConfigError`, and then changes nothing.
   */
  reload(databases: Named): void
  /** The values in effect with their origin, secrets left out. */
  explainConfig(): readonly ConfigEntry[]
  /** Readiness fails from now on; work is still taken. `shutdown` begins with it. */
  leaving(): void
  /**
   * Fails readiness, refuses new work, lets work under way finish within its grace, then cancels
   * it, and closes everything.
   */
  shutdown(options?: ShutdownOptions): Promise<void>
  /** Closes every pool, also those that were made elsewhere. Idempotent. */
  close(options?: CloseOptions): Promise<void>
}
