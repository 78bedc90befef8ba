import { printable, readBoolean, readInteger, readText } from '@poolhouse/core/kit'
import type { ServerLine } from '../server/server-line.js'

/** A setting that a role or a database brings with it. */
export interface OwnSetting {
  /** Its name. */
  readonly name: string
  /** Its value, in `unit`. */
  readonly value: string
  /** Unit of the value, such as `ms`; undefined for none. */
  readonly unit: string | undefined
  /** `user`, `database`, `database user` or `global`: where ALTER … SET put it. */
  readonly source: string
}

/** What a server lets this role do, and how much. */
export interface ServerDetails {
  /** The role that was logged in. */
  readonly user: string
  /** `max_connections`. */
  readonly maxConnections: number
  /** What is left of them for this role. */
  readonly available: number
  /** Sessions of clients that are open now, ours included. */
  readonly used: number
  /** `CONNECTION LIMIT` of the role; undefined for none. */
  readonly roleLimit: number | undefined
  /** `CONNECTION LIMIT` of the database; undefined for none. */
  readonly databaseLimit: number | undefined
  /** Whether the role is a superuser. */
  readonly isSuperuser: boolean
  /** Whether the role has the rights of `pg_monitor`. */
  readonly isMonitor: boolean
  /** Standbys that stream from it. */
  readonly followers: number
  /** `synchronous_standby_names`; empty for none. */
  readonly synchronous: string
  /** Version of TLS of this session; undefined for none. Behind a pooler, that of its session. */
  readonly tls: string | undefined
  /** Settings of the role and the database. */
  readonly settings: readonly OwnSetting[]
}

const DETAILS = `\
select current_user as user_name,
  pg_catalog.current_setting('max_connections')::int as max_connections,
  pg_catalog.current_setting('superuser_reserved_connections')::int as reserved,
  coalesce(pg_catalog.current_setting('reserved_connections', true), '0')::int as also_reserved,
  (select pg_catalog.count(*)::int from pg_catalog.pg_stat_activity where backend_type = 'client backend') as used,
  (select rolconnlimit from pg_catalog.pg_roles where rolname = current_user) as role_limit,
  (select datconnlimit from pg_catalog.pg_database where datname = pg_catalog.current_database()) as database_limit,
  (select rolsuper from pg_catalog.pg_roles where rolname = current_user) as is_superuser,
  pg_catalog.pg_has_role(current_user, 'pg_monitor', 'USAGE') as is_monitor,
  (select pg_catalog.count(*)::int from pg_catalog.pg_stat_replication) as followers,
  pg_catalog.current_setting('synchronous_standby_names') as synchronous,
  (select s.version from pg_catalog.pg_stat_ssl s where s.pid = pg_catalog.pg_backend_pid() and s.ssl) as tls`

const SETTINGS = `\
select name, setting, unit, source from pg_catalog.pg_settings
where source in ('user', 'database', 'database user', 'global') order by name`

/** Asks a server for them; two statements. */
export async function askDetails(line: ServerLine): Promise<ServerDetails> {
  const [row = {}] = await line.ask<Record<string, unknown>>(DETAILS)
  const settings = await line.ask<Record<string, unknown>>(SETTINGS)
  // What is shown may hold the words of strangers.
  const text = (value: unknown): string => printable(readText(value) ?? '')
  const number = (name: string): number => readInteger(row[name]) ?? 0
  const limit = (name: string): number | undefined => {
    const value = readInteger(row[name])
    return value === undefined || value < 0 ? undefined : value
  }
  const isSuperuser = readBoolean(row['is_superuser']) === true
  const maxConnections = number('max_connections')
  return {
    user: text(row['user_name']),
    maxConnections,
    available: maxConnections - number('reserved') - number('also_reserved'),
    used: number('used'),
    roleLimit: limit('role_limit'),
    databaseLimit: limit('database_limit'),
    isSuperuser,
    isMonitor: isSuperuser || readBoolean(row['is_monitor']) === true,
    followers: number('followers'),
    synchronous: text(row['synchronous']),
    tls: readText(row['tls']),
    settings: settings.map((each) => ({
      name: text(each['name']),
      value: text(each['setting']),
      unit: readText(each['unit']),
      source: text(each['source']),
    })),
  }
}
