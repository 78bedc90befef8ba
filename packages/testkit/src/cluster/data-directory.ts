import { mkdir, readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { runCommand } from '../machine/run-command.js'
import type { ServerUser } from '../machine/server-user.js'
import { giveTo, writeFileFor } from '../machine/temporary-directory.js'
import { quoteLiteral, quoteName } from './admin-session.js'
import type { Certificates } from './certificates.js'
import type { ResolvedClusterOptions } from './cluster-options.js'
import type { ServerPlace } from './server-process.js'

/** Login name of the application's role. */
export const APPLICATION_USER = 'app'

/** Its password: with what has to be percent-encoded in a URL, because real ones have it too. */
export const APPLICATION_PASSWORD = 'p@ss w0rd%'

/** What a node's configuration files depend on. */
export interface NodeConfiguration {
  /** The cluster's options. */
  readonly options: ResolvedClusterOptions
  /** Port of this node. */
  readonly port: number
  /** Port of the node that this one follows; `undefined` for a primary. */
  readonly follows: number | undefined
}

/** Runs initdb and creates the application's role and database. The server is not started. */
export async function initialiseDataDirectory(
  place: ServerPlace,
  options: ResolvedClusterOptions,
): Promise<void> {
  const { binaries, user, home } = place
  const data = join(home, 'data')
  await runCommand(
    binaries.initdb,
    [
      ...['-D', data, '--username=postgres', '--auth=trust', '--encoding=UTF8', '--locale=C'],
      ...['--no-sync', '--no-instructions'],
    ],
    { cwd: home, user },
  )
  const role = `CREATE ROLE ${APPLICATION_USER} LOGIN PASSWORD ${quoteLiteral(APPLICATION_PASSWORD)}`
  const database = `CREATE DATABASE ${quoteName(options.database)} OWNER ${APPLICATION_USER}`
  const settings = [
    '-c',
    `password_encryption=${passwordEncryption(options)}`,
    '-c',
    'exit_on_error=true',
  ]
  // A single-user session ends with a clean shutdown, so the directory can be copied as it is.
  await runCommand(binaries.postgres, ['--single', '-F', ...settings, '-D', data, 'postgres'], {
    cwd: home,
    user,
    input: `${role}\n${database}\n`,
  })
}

/**
 * How the application's password is stored: a role for md5 authentication needs an md5 password,
 * and 14+ would store SCRAM.
 */
export function passwordEncryption({ auth }: Pick<ResolvedClusterOptions, 'auth'>): string {
  return auth === 'md5' ? 'md5' : 'scram-sha-256'
}

/** Copies a data directory of a stopped server. */
export async function copyDataDirectory(from: ServerPlace, to: ServerPlace): Promise<void> {
  await runCommand('cp', ['-RP', join(from.home, 'data'), join(to.home, 'data')], {
    cwd: to.home,
    user: to.user,
  })
}

/** Creates a node's home: readable only by its owner. */
export async function createHome(place: ServerPlace): Promise<void> {
  await mkdir(place.home, { mode: 0o700 })
  await giveTo(place.home, place.user)
}

/** Empties the data directory, or creates it. */
export async function wipeDataDirectory(place: ServerPlace): Promise<void> {
  const data = join(place.home, 'data')
  await mkdir(data, { recursive: true, mode: 0o700 })
  await giveTo(data, place.user)
  const entries = await readdir(data)
  await Promise.all(entries.map((entry) => rm(join(data, entry), { recursive: true })))
}

/** Writes the certificate files that `configurationText` names. */
export async function writeCertificates(
  directory: string,
  { cert, key }: Certificates,
  user: ServerUser | undefined,
): Promise<void> {
  await writeFileFor(user, join(directory, 'server.crt'), cert)
  await writeFileFor(user, join(directory, 'server.key'), key)
}

/** Writes all configuration files of a stopped node, and makes it a standby if it follows one. */
export async function configureNode(
  place: ServerPlace,
  configuration: NodeConfiguration,
): Promise<void> {
  const { user, home } = place
  const data = join(home, 'data')
  const { options, follows } = configuration
  await writeFileFor(user, join(data, 'postgresql.conf'), configurationText(place, configuration))
  await writeFileFor(user, join(data, 'pg_hba.conf'), accessRulesText(options))
  // A clone comes with what was set on its source alone.
  await rm(join(data, 'postgresql.auto.conf'), { force: true })
  await writeFollows(place, follows)
}

/**
 * Makes a stopped node follow the node at a port, or none, from its next start. The rest of what
 * ALTER SYSTEM has set on it stays.
 */
export async function writeFollows(place: ServerPlace, follows: number | undefined): Promise<void> {
  const data = join(place.home, 'data')
  const signal = join(data, 'standby.signal')
  if (follows === undefined) await rm(signal, { force: true })
  else await writeFileFor(place.user, signal, '')
  const path = join(data, 'postgresql.auto.conf')
  const before = await readFile(path, 'utf8').catch(() => '')
  const lines = before.split('\n').filter((line) => line && !line.startsWith('primary_conninfo'))
  if (follows !== undefined) {
    lines.push(`primary_conninfo = ${quoteLiteral(connectionInfo(place.name, follows))}`)
  }
  await writeFileFor(place.user, path, lines.map((line) => `${line}\n`).join(''))
}

/** The `primary_conninfo` with which a node connects to the one at a port. */
export function connectionInfo(name: string, port: number): string {
  return `host=127.0.0.1 port=${port} user=postgres application_name=${name} sslmode=disable`
}

/** The text of `pg_hba.conf`. */
export function accessRulesText({
  auth,
  tls,
}: Pick<ResolvedClusterOptions, 'auth' | 'tls'>): string {
  return [
    '# The kit itself; the socket is open to the user of the server and to root only.',
    'local all postgres trust',
    '# Between the nodes.',
    'host replication postgres 127.0.0.1/32 trust',
    '# The superuser is the kit: no other client gets in under that name.',
    'host all postgres all reject',
    `${tls ? 'hostssl' : 'host'} all all 127.0.0.1/32 ${auth}`,
    '',
  ].join('\n')
}

/** The text of `postgresql.conf`. */
export function configurationText(place: ServerPlace, configuration: NodeConfiguration): string {
  const { options, port } = configuration
  const settings: Record<string, string | number | boolean> = {
    // The machine survives our kills, and so does what was handed to its kernel. Full-page writes
    // stay on all the same: SIGKILL can tear a page of 8 kB between the kernel's pages of 4 kB.
    fsync: false,
    wal_init_zero: false,
    shared_buffers: '16MB',
    max_connections: 100,
    max_wal_senders: 10,
    wal_level: 'replica',
    wal_log_hints: true,
    // A replica that was away for a while finds what it missed; there are no slots.
    wal_keep_size: '512MB',
    // At the default of 5 s a promotion that meets a standby going to sleep takes 5 s.
    wal_retrieve_retry_interval: '100ms',
    // Segments in /dev/shm would outlive a killed server; these go with the directory.
    dynamic_shared_memory_type: 'mmap',
    jit: false,
    timezone: 'UTC',
    log_line_prefix: '%m [%p] ',
    ...(place.binaries.version >= 18 ? { io_method: 'sync' } : {}), // no I/O workers to start
    ...(options.synchronous ? { synchronous_standby_names: 'ANY 1 (*)' } : {}),
    ...options.settings,
    hot_standby: true,
    cluster_name: place.name,
    listen_addresses: '127.0.0.1',
    port,
    unix_socket_directories: place.home,
    unix_socket_permissions: '0700',
    ...(options.tls
      ? { ssl: true, ssl_cert_file: '../../server.crt', ssl_key_file: '../../server.key' }
      : {}),
  }
  const lines = Object.entries(settings).map(([name, value]) => `${name} = ${setting(value)}`)
  return `${lines.join('\n')}\n`
}

function setting(value: string | number | boolean): string {
  if (typeof value === 'boolean') return value ? 'on' : 'off'
  return quoteLiteral(String(value).replaceAll('\\', '\\\\'))
}
