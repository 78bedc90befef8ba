import type { ConnectionOptions } from '@poolhouse/core'

/**
 * What one tenant may use.
 *
 * @example
 * const limits: TenantLimits = { max: 4, maxPending: 100, weight: 2 }
 */
export interface TenantLimits {
  /**
   * Most connections at a time to one server. Default 6. Where the database has a `multiplex` with
   * more connections, the tenant's pools share this many.
   */
  max?: number | undefined
  /** Most waiting calls; the next one rejects with `PoolOverloadedError`. Default 1 000. */
  maxPending?: number | undefined
  /** Its share of a short budget, relative to the weights of the others. Default 1. */
  weight?: number | undefined
}

/** The schema of a tenant, and the schemas that are searched after it. */
export interface TenantSchema {
  /**
   * Its own schema. At most 63 bytes; not `$user`, `information_schema` or a name that starts with
   * `pg_`.
   */
  name: string
  /**
   * Schemas that are searched after it, such as `['public']` with the extensions. Every tenant can
   * use what is in them. The rules for names are the same. Default: none.
   */
  also?: readonly string[] | undefined
}

/**
 * Where the data of a tenant is. Takes exactly one of `database`, `schema` and `settings`.
 *
 * @example
 * const ownDatabase: TenantTarget = { on: 'app', database: 'acme', user: 'acme', password }
 * const ownSchema: TenantTarget = { on: 'app', schema: 'acme', limits: { max: 4 } }
 * const rows: TenantTarget = { on: 'app', settings: { 'app.tenant': 'acme' } } // by RLS policies
 */
export interface TenantTarget {
  /** The named database whose servers, user and driver it uses. Default: the only one there is. */
  on?: string | undefined
  /** Its own database on those servers. At most 63 bytes. Default: none. */
  database?: string | undefined
  /**
   * Its own schema in the named database. Its sessions are its own, with that `search_path`. With a
   * name alone, only that schema and `pg_catalog` are searched; see `TenantSchema`. Default: none.
   *
   * @example
   * const target: TenantTarget = { schema: { name: 'acme', also: ['extensions'] } }
   */
  schema?: string | TenantSchema | undefined
  /**
   * Row-level security: settings such as `{ 'app.tenant': id }` that the policies read. The
   * connections are those of the named database. Each call runs in a transaction that starts with
   * `set_config(name, value, true)`, so that the next borrower finds no trace of it. Default: none.
   */
  settings?: Readonly<Record<string, string>> | undefined
  /** User to log in as. Default: the user of the named database. Not with `settings`. */
  user?: string | undefined
  /**
   * Password of `user`, or a function that fetches it. Default: that of the named database; none
   * with a `user` of its own.
   */
  password?: ConnectionOptions['password']
  /** Its limits. Default: `tenants.limits`. */
  limits?: TenantLimits | undefined
}

/**
 * How tenants are found, and how long their pools are kept.
 *
 * @example
 * createManager({
 *   ...options,
 *   tenants: {
 *     resolve: (id) => directory.get(id),
 *     ttlMs: 30_000,
 *     negativeTtlMs: 1_000,
 *     limits: { max: 4 },
 *     idleMs: 5 * 60_000,
 *     maxPools: 200, // tenants
 *   },
 * })
 */
export interface TenantOptions {
  /**
   * Says where the data of a tenant is; undefined or null for an unknown tenant. At most one call
   * per id is under way. The id comes from outside: look it up, and never build a database or
   * schema name from it.
   */
  resolve(id: string): TenantTarget | null | undefined | Promise<TenantTarget | null | undefined>
  /** How long an answer is used, in milliseconds. Default 60 000. */
  ttlMs?: number | undefined
  /** How long an unknown tenant is remembered as such, in milliseconds. Default 5 000. */
  negativeTtlMs?: number | undefined
  /**
   * Limits of tenants whose target sets none. Default `{ max: 6, maxPending: 1000, weight: 1 }`.
   */
  limits?: TenantLimits | undefined
  /**
   * Pools of a tenant that were unused for this long are closed, in milliseconds. Default 60 000.
   */
  idleMs?: number | undefined
  /**
   * Most tenants with pools. Beyond that the pools that were unused the longest are closed, and
   * never pools in use. Default 500.
   */
  maxPools?: number | undefined
}
