import { type ConnectionOptions, type PoolOptions, readConnectionUrl } from '@poolhouse/core'
import {
  checkNumber,
  describeValue,
  MAX_MS,
  type NumberRule,
  refuseUnknownOptions,
} from '@poolhouse/core/kit'
import type { PoolConfig as PgPoolConfig } from 'pg'
import type { PgLibrary } from '../pg-library.js'
import { sslOf } from './pg-ssl.js'
import { REFUSALS, refuseOption } from './refused-options.js'

const WHERE = 'new Pool'

/**
 * Options of `Pool`: those of `pg.Pool` and `pg.Client`. As in `pg`, the connection string goes
 * before the other options, and these before the environment (`PGHOST`, `PGUSER`, …) and
 * `pg.defaults`.
 *
 * @example
 * import { Pool } from '@poolhouse/node-postgres/compat'
 *
 * const pool = new Pool({
 *   connectionString: process.env.DATABASE_URL,
 *   max: 20,
 *   min: 2,
 *   maxUses: 10_000,
 *   maxLifetimeSeconds: 3_600,
 *   idleTimeoutMillis: 30_000,
 *   connectionTimeoutMillis: 5_000,
 *   allowExitOnIdle: true,
 *   application_name: 'shop-api',
 *   statement_timeout: 30_000,
 *   lock_timeout: 5_000,
 *   idle_in_transaction_session_timeout: 60_000,
 *   query_timeout: 30_000,
 *   keepAlive: true,
 *   keepAliveInitialDelayMillis: 10_000,
 *   ssl: true,
 *   sslnegotiation: 'direct',
 *   enableChannelBinding: true,
 *   requireAuth: ['scram-sha-256'],
 *   multiplex: false,
 * })
 * const same = new Pool({
 *   host: 'db.example',
 *   port: 5432,
 *   user: 'app',
 *   password: async () => 'a token',
 *   database: 'shop',
 *   poolSize: 20,
 *   fallback_application_name: 'shop',
 *   options: '-c search_path=shop',
 *   client_encoding: 'UTF8',
 *   pipeline: false,
 *   log: console.log,
 *   types: pg.types,
 *   Client: pg.Client,
 *   Promise,
 *   verify: (_client, done) => done(),
 *   onConnect: (client) => client.query('set jit to off'),
 * })
 */
export interface PgPoolOptions extends PgPoolConfig {
  /** Most connections. Default 10. */
  max?: number | undefined
  /** Another name of `max`, in connections; `max` goes before it. Default: none. */
  poolSize?: number | undefined
  /** Connections that are opened in advance and kept. Default 0. */
  min?: number | undefined
  /**
   * Milliseconds after which an idle connection above `min` is closed; 0 for never. Default 10 000.
   */
  idleTimeoutMillis?: number | null | undefined
  /**
   * Longest wait for a client, and longest time of a connect, in milliseconds. Default 0: a caller
   * waits without end, and a connect may take 30 seconds.
   */
  connectionTimeoutMillis?: number | undefined
  /** How often a connection is lent before it is closed. Default: any number of times. */
  maxUses?: number | undefined
  /**
   * Longest life of a connection in seconds, of which up to a tenth is not used; 0 for none.
   * Default 0.
   */
  maxLifetimeSeconds?: number | undefined
  /** Accepted, and always as if true: an idle pool never keeps the process alive. Default true. */
  allowExitOnIdle?: boolean | undefined
  /** Is told what the pool does, in words like those of `pg-pool`. Default: nothing is told. */
  log?: ((...messages: unknown[]) => void) | undefined
  /**
   * Is asked about each new client before its first use; with an error the client is closed.
   * Default: none.
   */
  verify?: PgPoolConfig['verify']
  /**
   * Is called with each new client, and awaited, before it is used. What it sets in the session
   * holds for every borrower; if it fails, the client is closed and its caller gets the error.
   * Default: none.
   */
  onConnect?: PgPoolConfig['onConnect']
  /** Only `pg.Client` itself: a class of its own would be passed over. Default `pg.Client`. */
  Client?: PgPoolConfig['Client']
  /** Only the `Promise` of the language. Default: that one. */
  Promise?: PromiseConstructorLike | undefined
  /** A URL in the form of `pg-connection-string`. Default: none. */
  connectionString?: string | undefined
  /** Host name, address, or directory of a Unix socket. Default `localhost`. */
  host?: string | undefined
  /** TCP port. Default 5432. */
  port?: number | undefined
  /** User. Default: the operating system's user. */
  user?: string | undefined
  /** Password, or a function that fetches one for each new connection. Default: none. */
  password?: PgPoolConfig['password']
  /** Database. Default: the user's name. */
  database?: string | undefined
  /** Name of the sessions in `pg_stat_activity`. Default: the pool's name. */
  application_name?: string | undefined
  /** Used if there is no `application_name`. Default: none. */
  fallback_application_name?: string | undefined
  /** Run-time parameters as `-c name=value`. Default: none. */
  options?: string | undefined
  /**
   * `false` for no TLS, `true` or an object of `tls.connect()` for TLS that verifies, unless
   * `rejectUnauthorized` is false. Default: verified TLS beyond loopback and Unix sockets.
   */
  ssl?: PgPoolConfig['ssl']
  /**
   * How TLS begins: `direct` begins with the TLS handshake, as PostgreSQL 17 can. Default
   * `postgres`.
   */
  sslnegotiation?: 'postgres' | 'direct' | undefined
  /** Whether a log-in by SCRAM is bound to its TLS session. Default: where the server offers it. */
  enableChannelBinding?: boolean | undefined
  /**
   * As for `createPool`: the ways to log in that are accepted. Default: SCRAM alone where a
   * password is given and TLS does not verify the server.
   */
  requireAuth?: PoolOptions['requireAuth']
  /**
   * As for `createPool`: whether short reads of `pool.query` share connections. Default: as there.
   */
  multiplex?: PoolOptions['multiplex']
  /** Has TCP probe connections that are quiet. Default false. */
  keepAlive?: boolean | undefined
  /** Milliseconds of quiet before `keepAlive` probes. Default 0: as the system does. */
  keepAliveInitialDelayMillis?: number | undefined
  /** `statement_timeout` of the sessions, in milliseconds. Default: the server's. */
  statement_timeout?: false | number | undefined
  /** `lock_timeout` of the sessions, in milliseconds. Default: the server's. */
  lock_timeout?: number | undefined
  /**
   * `idle_in_transaction_session_timeout` of the sessions, in milliseconds. Default: the server's.
   */
  idle_in_transaction_session_timeout?: number | undefined
  /** Milliseconds after which a query is cancelled and fails. Default: none. */
  query_timeout?: number | undefined
  /** Parsers of the values in results. Default: `pg.types`. */
  types?: PgPoolConfig['types']
  /** Only UTF-8. Default: UTF-8. */
  client_encoding?: string | undefined
  /**
   * Only false: a client runs one statement at a time. `multiplex` is for `pool.query`. Default
   * false.
   */
  pipeline?: boolean | undefined
  /**
   * Refused: the pool opens its sockets itself. Default: none.
   *
   * @example
   * import { Socket } from 'node:net'
   * import { Pool } from '@poolhouse/node-postgres/compat'
   *
   * new Pool({ stream: () => new Socket() }) // throws TypeError
   */
  stream?: NonNullable<PgPoolConfig['stream']>
}

/** What the options of a `pg.Pool` come to. */
export interface ReadOptions {
  /** For `createPool`, without its driver. */
  readonly pool: Omit<PoolOptions, 'driver'>
  /** Milliseconds after which a quiet connection is probed by TCP; undefined for never. */
  readonly keepAliveMs: number | undefined
}

const KNOWN: ReadonlySet<string> = new Set([
  ...['max', 'poolSize', 'min', 'idleTimeoutMillis', 'connectionTimeoutMillis', 'maxUses'],
  ...['maxLifetimeSeconds', 'allowExitOnIdle', 'log', 'verify', 'onConnect', 'Client', 'types'],
  ...['connectionString', 'host', 'port', 'user', 'password', 'database', 'application_name'],
  ...['fallback_application_name', 'options', 'ssl', 'sslnegotiation', 'enableChannelBinding'],
  ...['keepAlive', 'keepAliveInitialDelayMillis', 'statement_timeout', 'query_timeout'],
  ...['requireAuth', 'multiplex', 'lock_timeout', 'idle_in_transaction_session_timeout'],
  // Of libraries that pass on the options that they were given themselves.
  ...['pg', 'native', 'name'],
  ...REFUSALS.keys(),
])
const FUNCTIONS = ['log', 'verify', 'onConnect'] as const

// `pg` waits without end for a connect that hangs.
const CONNECT_MS = 30_000
const SERVER_TIMEOUTS = [
  'statement_timeout',
  'lock_timeout',
  'idle_in_transaction_session_timeout',
] as const

/** What `pg` knows of a connection once it has read options, environment and its own defaults. */
interface Parameters {
  readonly host: string
  readonly port: number
  readonly user: string | undefined
  readonly database: string | undefined
  readonly password: string | (() => string | Promise<string>) | null | undefined
  readonly ssl: unknown
  readonly sslnegotiation?: unknown
  readonly options?: string | undefined
  readonly application_name?: string | undefined
  readonly fallback_application_name?: string | undefined
  readonly statement_timeout?: number | string | false | undefined
  readonly lock_timeout?: number | string | false | undefined
  readonly idle_in_transaction_session_timeout?: number | string | false | undefined
  readonly query_timeout?: number | string | false | undefined
  readonly replication?: unknown
  readonly client_encoding?: string | undefined
}

/**
 * Reads the options of a `pg.Pool`, by the rules of `pg` for what goes before what: the connection
 * string, the other options, the environment, `pg.defaults`. Throws `TypeError` or `RangeError`
 * that names option, value and way out for what cannot be had.
 */
export function readPgPoolOptions(
  pg: PgLibrary,
  given: PgPoolOptions,
  Client: unknown,
): ReadOptions {
  if (typeof given !== 'object' || given === null) {
    throw new TypeError(`${WHERE}: options must be an object, got ${describeValue(given)}`)
  }
  refuseUnknownOptions(WHERE, given, KNOWN)
  const options = Object.fromEntries(
    Object.entries(given).filter(([, value]) => value !== undefined),
  ) as PgPoolOptions
  // Not enumerable in the `options` of another pool.
  if (given.password !== undefined) options.password = given.password
  // `pg` hides the key in the very object, which may be frozen.
  if (typeof given.ssl === 'object' && given.ssl !== null) options.ssl = { ...given.ssl }
  for (const [name, value] of Object.entries(options)) refuseOption(WHERE, name, value)
  for (const name of FUNCTIONS) {
    if (options[name] !== undefined && typeof options[name] !== 'function') {
      throw new TypeError(
        `${WHERE}: ${name} must be a function, got ${describeValue(options[name])}`,
      )
    }
  }
  checkClient(pg, options.Client ?? Client)
  const parameters = parametersOf(pg, options)
  if (parameters.replication) refuseOption(WHERE, 'replication', parameters.replication)
  const connectMs = numberOf(options, 'connectionTimeoutMillis', { min: 0, max: MAX_MS }) ?? 0
  const idleMs = options.idleTimeoutMillis === null ? 0 : numberOf(options, 'idleTimeoutMillis', MS)
  const lifetime = numberOf(options, 'maxLifetimeSeconds', { min: 0, max: MAX_MS / 1000 }) ?? 0
  const max = numberOf(options, 'max', SIZE) || numberOf(options, 'poolSize', SIZE) || 10
  const queryMs = parameters.query_timeout
    ? timeoutOf('query_timeout', parameters.query_timeout)
    : 0
  const min = numberOf(options, 'min', SIZE) ?? 0
  return {
    pool: {
      connection: connectionOf(options, parameters),
      max,
      min: Math.min(min, max),
      acquireTimeoutMs: connectMs || MAX_MS,
      connectTimeoutMs: connectMs || CONNECT_MS,
      idleTimeoutMs: idleMs ?? 10_000,
      maxLifetimeMs: lifetime * 1000,
      maxUses: numberOf(options, 'maxUses', USES) || Number.POSITIVE_INFINITY,
      maxPending: Number.POSITIVE_INFINITY,
      statementTimeoutMs: queryMs,
      requireAuth: options.requireAuth,
      multiplex: options.multiplex,
    },
    keepAliveMs: options.keepAlive
      ? (numberOf(options, 'keepAliveInitialDelayMillis', MS) ?? 0)
      : undefined,
  }
}

const MS: NumberRule = { min: 0, max: MAX_MS }
const SIZE: NumberRule = { min: 0, max: 10_000, integer: true }
const USES: NumberRule = { min: 0, max: Number.POSITIVE_INFINITY, integer: true }

/** A number, which `pg` also takes as a text from the environment. */
function numberOf(
  options: PgPoolOptions,
  name: keyof PgPoolOptions,
  rule: NumberRule,
): number | undefined {
  const value: unknown = options[name]
  if (value === undefined || value === null || value === false) return undefined
  const isNumeric = typeof value === 'string' && value.trim() !== '' && !Number.isNaN(Number(value))
  return checkNumber(WHERE, name, isNumeric ? Number(value) : value, rule)
}

function timeoutOf(name: string, value: number | string): number {
  return checkNumber(WHERE, name, Number.parseInt(String(value), 10), MS)
}

/** A class of its own would be passed over: what the pool hands out is made here. */
function checkClient(pg: PgLibrary, Client: unknown): void {
  if (Client === undefined || Client === pg.Client) return
  const name =
    typeof Client === 'function' ? `the class ${Client.name || '(no name)'}` : describeValue(Client)
  throw new TypeError(
    `${WHERE}: Client cannot be ${name}: connections are opened by @poolhouse/node-postgres, and what it overrides would never be called; leave it out; to do something with each new connection use onConnect or the event 'connect', and keep pg.Pool for pg-native`,
  )
}

/** What `pg` makes of the options: it reads them in the constructor of a client. */
function parametersOf(pg: PgLibrary, options: PgPoolOptions): Parameters {
  const { Promise: _, Client: __, ...config } = options as Record<string, unknown>
  const client = new pg.Client({ ...config, connection: {} } as never)
  return (client as unknown as { connectionParameters: Parameters }).connectionParameters
}

function connectionOf(options: PgPoolOptions, parameters: Parameters): ConnectionOptions {
  const { host, port, user, database, password } = parameters
  const name = parameters.application_name || parameters.fallback_application_name
  const { enableChannelBinding: binds } = options
  const startup = startupOf(parameters)
  return {
    host,
    port,
    ...(user && { user }),
    ...(database && { database }),
    ...(password !== null && password !== undefined && { password }),
    ...(name && { applicationName: name }),
    ...(binds !== undefined && { channelBinding: binds ? 'prefer' : 'disable' }),
    ssl: saysSsl(options, parameters)
      ? sslOf(WHERE, parameters.ssl, parameters.sslnegotiation)
      : undefined,
    ...startup,
  }
}

/** Whether TLS was asked for or refused, rather than left to a default. */
function saysSsl({ ssl, connectionString }: PgPoolOptions, parameters: Parameters): boolean {
  return (
    Boolean(parameters.ssl) ||
    ssl !== undefined ||
    Boolean(process.env['PGSSLMODE']) ||
    /[?&]ssl(?:mode)?=/.test(connectionString ?? '')
  )
}

function startupOf(parameters: Parameters): Pick<ConnectionOptions, 'parameters' | 'routing'> {
  const timeouts: Record<string, number> = {}
  for (const name of SERVER_TIMEOUTS) {
    const value = parameters[name]
    if (value) timeouts[name] = timeoutOf(name, value)
  }
  if (!parameters.options) return { parameters: timeouts }
  const url = `postgres://localhost/?options=${encodeURIComponent(parameters.options)}`
  const [read] = readConnectionUrl(WHERE, url)
  return { parameters: { ...read!.parameters, ...timeouts }, routing: read!.routing }
}
