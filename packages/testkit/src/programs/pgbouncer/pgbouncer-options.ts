import {
  checkBoolean,
  checkNumber,
  checkWord,
  describeValue,
  parseConnectionUrl,
  refuseUnknownOptions,
} from '@poolhouse/core/kit'
import type { ClusterAuth } from '../../cluster/cluster-options.js'

/** When PgBouncer takes a server connection away from its client. */
export type PgBouncerPoolMode = 'session' | 'transaction' | 'statement'

/**
 * What kind of PgBouncer to start. Only `target` must be given.
 *
 * @example
 * await startPgBouncer({
 *   target: cluster.primary.url,
 *   poolMode: 'session',
 *   poolSize: 2,
 *   tls: true,
 *   auth: 'scram-sha-256',
 *   settings: { query_wait_timeout: 5 },
 * })
 */
export interface PgBouncerOptions {
  /**
   * Connection URL of the server behind it, with user, password and database:
   * `cluster.primary.url`.
   */
  target: string
  /** When it takes a server connection away from its client. Default `'transaction'`. */
  poolMode?: PgBouncerPoolMode
  /** Connections to the server, for all clients together: `default_pool_size`. Default 5. */
  poolSize?: number
  /** Whether clients must speak TLS, with a throw-away authority (`ca`). Default false. */
  tls?: boolean
  /** How clients prove who they are. Default `'trust'`. */
  auth?: ClusterAuth
  /** Further lines of the `[pgbouncer]` section; they win over the kit's. Default: none. */
  settings?: Readonly<Record<string, string | number>>
}

/** The server behind a PgBouncer. */
interface PgBouncerTarget {
  /** Host name or address. */
  readonly host: string
  /** TCP port. */
  readonly port: number
  /** Database. */
  readonly database: string
  /** User, on both sides of PgBouncer. */
  readonly user: string
  /** Password of that user, on both sides of PgBouncer. */
  readonly password: string
}

/** The options with every default filled in. */
export interface ResolvedPgBouncerOptions extends Required<Omit<PgBouncerOptions, 'target'>> {
  /** The server behind it. */
  readonly target: PgBouncerTarget
}

const WHERE = 'startPgBouncer'
const KNOWN: ReadonlySet<string> = new Set([
  'target',
  'poolMode',
  'poolSize',
  'tls',
  'auth',
  'settings',
])
const MODES: readonly PgBouncerPoolMode[] = ['session', 'transaction', 'statement']
const METHODS: readonly ClusterAuth[] = ['trust', 'scram-sha-256', 'md5', 'password']

/**
 * Checks the options and fills in the defaults. Throws `TypeError` or `RangeError` naming the
 * option, never a password.
 */
export function resolvePgBouncerOptions(options: PgBouncerOptions): ResolvedPgBouncerOptions {
  refuseUnknownOptions(WHERE, options, KNOWN)
  const { poolMode = 'transaction', poolSize = 5, tls = false, auth = 'trust' } = options
  checkWord(WHERE, 'poolMode', poolMode, MODES)
  checkNumber(WHERE, 'poolSize', poolSize, { min: 1, max: 1_000, integer: true })
  checkBoolean(WHERE, 'tls', tls)
  checkWord(WHERE, 'auth', auth, METHODS)
  const { settings = {} } = options
  for (const [name, value] of Object.entries(settings)) {
    if (!/^\w+$/.test(name) || /[\r\n]/.test(String(value))) {
      throw new TypeError(
        `${WHERE}: settings.${name} must be the name of a setting and a value of one line, got ${describeValue(value)}`,
      )
    }
  }
  return { target: readTarget(options.target), poolMode, poolSize, tls, auth, settings }
}

function readTarget(url: unknown): PgBouncerTarget {
  if (typeof url !== 'string') {
    throw new TypeError(`${WHERE}: target must be a connection URL, got ${describeValue(url)}`)
  }
  const { hosts, user, password = '', database } = parseConnectionUrl(WHERE, url)
  const [first, ...others] = hosts
  if (user === undefined || database === undefined || others.length > 0) {
    throw new TypeError(`${WHERE}: target must name one host, a user and a database`)
  }
  if (/[\r\n\0]/.test(`${user}${password}${database}`)) {
    throw new TypeError(`${WHERE}: target must not contain line breaks or NUL`)
  }
  return { host: first?.host ?? 'localhost', port: first?.port ?? 5432, user, password, database }
}
