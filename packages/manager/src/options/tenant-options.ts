import type { ConnectionOptions } from '@poolhouse/core'

/** What one tenant may use. */
export interface TenantLimits {
  /** Most connections at a time, per server. Default 6. */
  max?: number | undefined
  /** Most calls that wait; the next one is refused with `PoolOverloadedError`. Default 1 000. */
  maxPending?: number | undefined
  /** Its share when the budget of a server is short, against 1 of every other. Default 1. */
  weight?: number | undefined
}

/** The schema of a tenant, and what is searched behind it. */
export interface TenantSchema {
  /**
   * The schema of its own. At most 63 bytes; not `$user`, `information_schema` or one that begins
   * with `pg_`.
   */
  name: string
  /**
   * Schemas that are searched behind it, such as `['public']` where extensions are installed: all
   * tenants may read and call what is there. The same rules hold for their names. Default: none.
   */
  also?: readonly string[] | undefined
}

/** Where the data of a tenant is: in exactly one of `database`, `schema`, `settings`. */
export interface TenantTarget {
  /**
   * The named database whose servers, user and driver it uses. May be left out when there is only
   * one.
   */
  on?: string | undefined
  /** A database of its own on those servers. At most 63 bytes. */
  database?: string | undefined
  /**
   * A schema of its own in the named database: `search_path` of its sessions, which it shares with
   * nobody. A name alone is all that is searched beside `pg_catalog`; see `TenantSchema`.
   */
  schema?: string | TenantSchema | undefined
  /**
   * Row-level security: settings such as `{ 'app.tenant': id }`, which policies read. Connections
   * are those of the named database; each call runs in a transaction that begins with
   * `set_config(name, value, true)`, so that nothing is left for the next borrower.
   */
  settings?: Readonly<Record<string, string>> | undefined
  /** User to log in as. Default: that of the named database. Not with `settings`. */
  user?: string | undefined
  /** Password of `user`, or a function that fetches it. */
  password?: ConnectionOptions['password']
  /** Its limits. Default: `tenants.limits`. */
  limits?: TenantLimits | undefined
}

/** Options of tenants. */
export interface TenantOptions {
  /**
   * Says where the data of a tenant is; undefined or null for a tenant that nobody knows. Called
   * once at a time for each id. The id comes from outside: look it up, and never make a name of it
   * that you have not looked up.
   */
  resolve(id: string): TenantTarget | null | undefined | Promise<TenantTarget | null | undefined>
  /** How long an answer is used, in milliseconds. Default 60 000. */
  ttlMs?: number | undefined
  /** How long it is remembered that a tenant is unknown, in milliseconds. Default 5 000. */
  negativeTtlMs?: number | undefined
  /** Limits of a tenant whose target has none of its own. */
  limits?: TenantLimits | undefined
  /**
   * How long the pools of a tenant may be unused before they are closed, in milliseconds. Default
   * 60 000.
   */
  idleMs?: number | undefined
  /**
   * Most tenants that have pools; beyond it those longest unused are closed, never one in use.
   * Default 500.
   */
  maxPools?: number | undefined
}
