import type { Clock, CloseOptions, Driver, Pool, PoolStats, RawOf } from '@poolhouse/core'
import type { Observable } from '@poolhouse/core/kit'
import type { BudgetStats } from './budget/server-budget.js'
import type { ConfigEntry } from './config/explain.js'
import type { ManagerHealth } from './health/health.js'
import type { BudgetOptions } from './options/budget-options.js'
import type { DatabaseConfig } from './options/database-options.js'
import type { DatabasePool, FollowedDatabase, NamedDatabase } from './options/database-pool.js'
import type { TenantOptions } from './options/tenant-options.js'

/** The databases of a manager, by name. */
export type Databases = Readonly<Record<string, DatabaseConfig>>

/** The drivers of a manager, by key. */
export type Drivers = Readonly<Record<string, Driver>>

/** The options that make a database one whose primary is followed. */
type Followed =
  | {
      /** The nodes, as a list or URL. */
      readonly nodes: unknown
    }
  | {
      /** Finds the nodes. */
      readonly discover: unknown
    }

/**
 * What `manager.database(name)` returns for a configuration: the pool itself if it was made
 * elsewhere, `FollowedDatabase` for `nodes` and `discover`, else `NamedDatabase`. The compiler does
 * not see how many hosts a URL lists: write such a URL as `{ nodes: '…' }`. `Raw` is the type of
 * `lease.raw`.
 */
export type DatabaseOf<Config, Raw = unknown> = Config extends Pool
  ? Config
  : Config extends Followed
    ? FollowedDatabase<Raw>
    : NamedDatabase<Raw>

/** What any of the drivers lends; not known without drivers. */
type AnyRaw<Used> = Used extends Drivers ? RawOf<Used[keyof Used]> : unknown

/** What the driver of a database lends, which it names or holds. */
type RawByDriver<Chosen, Used> =
  Chosen extends Driver<infer Raw>
    ? Raw
    : Chosen extends keyof Used
      ? Used[Chosen] extends Driver<infer Raw>
        ? Raw
        : unknown
      : AnyRaw<Used>

/** Nothing for a pool that was made elsewhere: it has its own type, and no tenant is on it. */
type RawByConfig<Config, Used> = Config extends Pool
  ? never
  : 'driver' extends keyof Config
    ? RawByDriver<Config['driver'], Used>
    : AnyRaw<Used>

/**
 * What `manager.database(name)` returns, by name. `lease.raw` has the type of what the database's
 * driver lends. A database that names no driver uses the first, which the compiler does not know
 * among several: then it is what any of them lends.
 */
export type DatabasesOf<Named, Used> = {
  readonly [Name in keyof Named]: DatabaseOf<Named[Name], RawByConfig<Named[Name], Used>>
}

/** What `manager.tenant(id)` returns: a tenant may be on any of the databases. */
export type TenantOf<Named, Used> = DatabasePool<RawByConfig<Named[keyof Named], Used>>

/**
 * Options of `createManager`.
 *
 * @example
 * const { databases, budget, origins, skipped } = await loadConfig()
 * const manager = createManager({
 *   drivers: { pg: nodePostgres() },
 *   databases,
 *   tenants: { resolve: (id) => directory.get(id) },
 *   budget,
 *   origins,
 *   skipped,
 * })
 */
export interface ManagerOptions<Named extends Databases, Used extends Drivers = Drivers> {
  /**
   * Drivers by key: `{ pg: nodePostgres(), js: postgresJs() }`. A database that names none uses the
   * first. Default: none.
   */
  drivers?: Used | undefined
  /** The databases, by name. */
  databases: Named
  /** How tenants are found. Default: no tenants. */
  tenants?: TenantOptions | undefined
  /** How many connections this process may have to each server. Default `{ perServer: 'auto' }`. */
  budget?: BudgetOptions | undefined
  /** Where each value came from, by path, as `loadConfig` returns it. Default: `code` for all. */
  origins?: Readonly<Record<string, string>> | undefined
  /**
   * Variables of the environment that were ignored, with the reason, as `loadConfig` returns them.
   * `explainConfig()` lists them. Default: none.
   */
  skipped?: Readonly<Record<string, string>> | undefined
  /**
   * Source of time. Default: the system's monotonic clock.
   *
   * @example
   * createManager({ ...options, clock: virtualClock() }) // of @poolhouse/core/testing
   */
  clock?: Clock | undefined
  /**
   * Source of randomness from 0 (included) to 1 (excluded). Default `Math.random`.
   *
   * @example
   * createManager({ ...options, random: () => 0.5 })
   */
  random?: (() => number) | undefined
}

/**
 * How to shut down.
 *
 * @example
 * await manager.shutdown({ graceMs: 10_000, delayMs: 5_000 })
 */
export interface ShutdownOptions {
  /**
   * Longest time for work under way to finish before it is cancelled, in milliseconds. Default
   * 20 000: within the 30 s that Kubernetes allows.
   */
  graceMs?: number | undefined
  /**
   * How long readiness fails before new work is refused, in milliseconds, so that load balancers
   * can react. Default 0.
   */
  delayMs?: number | undefined
}

/**
 * How to wait for the databases.
 *
 * @example
 * await manager.ready({ timeoutMs: 30_000 })
 */
export interface ReadyOptions {
  /** Longest wait, in milliseconds. Default 10 000. */
  timeoutMs?: number | undefined
}

/**
 * What `stats` returns in addition to the named databases.
 *
 * @example
 * const { tenants } = manager.stats({ tenants: ['acme'] })
 */
export interface StatsOptions {
  /** The tenants to include, at most 100. Default: none. */
  tenants?: readonly string[] | undefined
}

/** The statistics of a manager. */
export interface ManagerStats {
  /** By name of the database. */
  readonly databases: Readonly<Record<string, PoolStats>>
  /** The budget of each server, by `host:port`. */
  readonly servers: Readonly<Record<string, BudgetStats>>
  /** The tenants that were asked for and have pools, by id. */
  readonly tenants: Readonly<Record<string, PoolStats>>
  /** How many tenants have pools. */
  readonly tenantPools: number
  /** How many tenants were dropped so far because they were unused, or too many. */
  readonly tenantEvictions: number
}

/**
 * Many databases and tenants with one limit of connections to each server, health checks and an
 * orderly shutdown. As an `Observable` it tells the events of all its pools, also of those that are
 * made later; listening opens nothing and starts no watch.
 */
export interface Manager<
  Named extends Databases = Databases,
  Pools extends Readonly<Record<keyof Named, Pool>> = {
    readonly [Name in keyof Named]: DatabaseOf<Named[Name]>
  },
  TenantPool extends DatabasePool = DatabasePool,
> extends AsyncDisposable,
    Observable {
  /**
   * Returns the database of this name: a `FollowedDatabase` if it was given by `nodes` or
   * `discover`, a pool that was made elsewhere as it is, else a `NamedDatabase`. Nothing is opened
   * before its first call. Throws `RangeError` for an unknown name.
   *
   * @example
   * const { rows } = await manager.database('app').query('select 1')
   */
  database<Name extends keyof Named & string>(name: Name): Pools[Name]
  /**
   * Returns the pool of a tenant, a `DatabasePool`; without an id, of the tenant whose scope the
   * caller is in. The tenant is resolved at its first call. That call rejects with
   * `UnknownTenantError` for an unknown tenant, without a connection, and with `WrongTenantError`
   * in the scope of another tenant. Throws `TypeError` for a value that cannot be an id.
   *
   * @example
   * const { rows } = await manager.tenant('acme').query('select * from orders')
   */
  tenant(id?: string): TenantPool
  /**
   * Runs `work` in the scope of a tenant: until it settles, its calls for any other tenant reject
   * with `WrongTenantError`. Scopes of the same tenant may be nested.
   *
   * @example
   * await manager.runAs('acme', () => manager.tenant().query('select * from orders'))
   */
  runAs<R>(id: string, work: () => R): R
  /**
   * Runs `work` outside of any tenant's scope, for work on purpose across tenants.
   *
   * @example
   * await manager.unscoped(() => manager.tenant('globex').query('select count(*) from orders'))
   */
  unscoped<R>(work: () => R): R
  /**
   * Resolves when every database answers and its pool is ready (`Pool.ready`). Rejects with the
   * first `ConnectError`, after all were asked.
   *
   * @example
   * await manager.ready({ timeoutMs: 30_000 }) // before the service takes requests
   */
  ready(options?: ReadyOptions): Promise<void>
  /**
   * Returns the health of all databases as known now; asks no server.
   *
   * @example
   * const { ready, reasons } = manager.health()
   */
  health(): ManagerHealth
  /**
   * Returns an immutable snapshot of pools and budgets. Tenants appear only if asked for.
   *
   * @example
   * const { databases, servers } = manager.stats()
   */
  stats(options?: StatsOptions): ManagerStats
  /**
   * Takes new sizes, hosts and credentials of the databases. Calls under way finish on the
   * connections they have. Throws `ConfigError`, and then changes nothing.
   *
   * @example
   * manager.reload({ app: { nodes: ['postgres://app@a/app', 'postgres://app@d/app'] } })
   */
  reload(databases: Named): void
  /**
   * Returns the values in effect with their origin, secrets redacted.
   *
   * @example
   * console.table(manager.explainConfig())
   */
  explainConfig(): readonly ConfigEntry[]
  /**
   * Makes readiness fail from now on; calls are still accepted. First step of `shutdown`.
   *
   * @example
   * manager.leaving() // /readyz answers 503 from now on
   */
  leaving(): void
  /**
   * Makes readiness fail, refuses new work, lets work under way finish within `graceMs`, cancels
   * the rest, and closes everything.
   *
   * @example
   * await manager.shutdown({ graceMs: 10_000 })
   */
  shutdown(options?: ShutdownOptions): Promise<void>
  /**
   * Closes every pool, including pools that were made elsewhere. Idempotent.
   *
   * @example
   * await manager.close()
   */
  close(options?: CloseOptions): Promise<void>
}
