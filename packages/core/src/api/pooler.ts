import type { ConnectionSettings } from '../settings/connection-settings.js'

/**
 * What stands between a pool and its server, as its option says. `pgbouncer` is PgBouncer in
 * transaction mode: each transaction may run in another server session, so nothing that lives in a
 * session can be relied on. `none`: each connection has a server session of its own.
 */
export type Pooler = 'pgbouncer' | 'none'

/**
 * The pooler that a pool respects: `pgbouncer` was declared; `noticed` was seen when a connection
 * was opened, without a `pooler` option. Both are treated alike.
 */
export type PoolerInEffect = 'pgbouncer' | 'noticed'

/** What showed that a pooler stands between a pool and its server. */
export interface PoolerSighting {
  /** Process id that was announced when the session began; 0 if none was. */
  readonly announcedPid: number
  /** Process id of the server process that answered on that session. */
  readonly answeringPid: number
  /** Whether the server has one session for all its connections. */
  readonly oneSession: boolean
}

/**
 * Throws `TypeError` for run-time parameters in the connection settings: PgBouncer refuses to log
 * in with those it does not know.
 */
export function checkPoolerSettings(
  where: string,
  pooler: Pooler,
  settings: ConnectionSettings,
  origin = '',
): void {
  const names = Object.keys(settings.parameters).filter((name) => name !== 'application_name')
  if (names.length === 0) return
  throw new TypeError(
    `${where}: connection.parameters must not set ${names.join(', ')} with pooler '${pooler}'${origin}, which refuses unknown start-up parameters; use ALTER ROLE … SET on the server, or SET LOCAL in a transaction`,
  )
}
