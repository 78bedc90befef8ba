import { randomBytes } from 'node:crypto'
import type { ClusterAuth } from '../../cluster/cluster-options.js'
import type { ResolvedPgBouncerOptions } from './pgbouncer-options.js'

/** The user of PgBouncer's own console, with a password for this instance. */
export interface AdminLogin {
  /** Login name. */
  readonly user: string
  /** Password. */
  readonly password: string
}

// What PgBouncer calls the method that pg_hba.conf calls `password`.
const AUTH_TYPES: Readonly<Record<ClusterAuth, string>> = {
  trust: 'trust',
  'scram-sha-256': 'scram-sha-256',
  md5: 'md5',
  password: 'plain',
}

/** A login for the console that only the kit knows. */
export function createAdminLogin(): AdminLogin {
  return { user: 'poolhouse_testkit', password: randomBytes(16).toString('hex') }
}

/** The text of `pgbouncer.ini`. Relative paths start at the directory that PgBouncer runs in. */
export function configurationText(
  options: ResolvedPgBouncerOptions,
  home: string,
  port: number,
  admin: AdminLogin,
): string {
  const { target, poolMode, poolSize, tls, auth } = options
  const settings: Record<string, string | number> = {
    listen_addr: '127.0.0.1',
    unix_socket_dir: home,
    auth_type: AUTH_TYPES[auth],
    auth_file: 'users.txt',
    admin_users: admin.user,
    pool_mode: poolMode,
    default_pool_size: poolSize,
    max_client_conn: 1_000,
    server_tls_sslmode: 'prefer',
    // A server that comes back is noticed at once; 15 s by default.
    server_login_retry: 0.1,
    ...(tls
      ? {
          client_tls_sslmode: 'require',
          client_tls_cert_file: 'server.crt',
          client_tls_key_file: 'server.key',
        }
      : {}),
    ...options.settings,
    listen_port: port,
  }
  return [
    '[databases]',
    // Every database of the server by its own name, because 1.18 takes no name that must be quoted.
    `* = host=${quoteValue(target.host)} port=${target.port}`,
    '[pgbouncer]',
    ...Object.entries(settings).map(([name, value]) => `${name} = ${value}`),
    '',
  ].join('\n')
}

/**
 * The text of `users.txt`: passwords in plain text serve every method, and the log-in to the
 * server.
 */
export function usersText(options: ResolvedPgBouncerOptions, admin: AdminLogin): string {
  const quote = (text: string): string => `"${text.replaceAll('"', '""')}"`
  const lines = [options.target, admin].map(
    ({ user, password }) => `${quote(user)} ${quote(password)}\n`,
  )
  return lines.join('')
}

function quoteValue(value: string): string {
  return `'${value.replaceAll("'", "''")}'`
}
