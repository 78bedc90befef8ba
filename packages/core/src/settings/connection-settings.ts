import { readFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { userInfo } from 'node:os'
import { inspect } from 'node:util'
import { whyNotEncodable } from '../base/encodable.js'
import {
  checkNumber,
  checkShownText,
  checkWord,
  describeName,
  describeValue,
  refuseUnknownOptions,
} from '../base/option-check.js'
import { describeText, printable } from '../base/printable.js'
import type { AuthMethod } from './auth-method.js'
import { parseConnectionUrl } from './connection-url.js'
import { type Endpoint, formatEndpoint, isLocal, pooledHost } from './endpoint.js'
import { passwordFromFile } from './password-file.js'
import type { UrlHost } from './read-hosts.js'
import {
  CHANNEL_BINDINGS,
  type ChannelBinding,
  type ParsedConnectionUrl,
} from './read-parameters.js'
import type { UrlPoolSettings } from './read-pool-parameters.js'
import { isRouting } from './split-options.js'
import { readSsl, type SslOptions, type SslSettings } from './ssl-settings.js'

/**
 * A password, or a function that fetches one: called for each new connection, at most once at a
 * time.
 */
export type PasswordSource = string | (() => string | Promise<string>)

/**
 * One server, one database and one user, given as an object.
 *
 * @example
 * const connection: ConnectionOptions = {
 *   host: 'db.example',
 *   hostaddr: '10.0.0.7', // in place of looking the host up
 *   port: 5432,
 *   user: 'app',
 *   password: () => readFile('/run/secrets/db-password', 'utf8'),
 *   database: 'shop',
 *   applicationName: 'shop-api',
 *   ssl: { ca: await readFile('ca.pem') },
 *   channelBinding: 'require',
 *   parameters: { search_path: 'shop', statement_timeout: '30s' },
 * }
 * const pool = createPool({ driver: nodePostgres(), connection })
 */
export interface ConnectionOptions {
  /** Host name, address, or directory of a Unix socket. Default `localhost`. */
  host?: string | undefined
  /**
   * IP address to connect to in place of looking `host` up. TLS verifies `host`, and messages name
   * it, all the same. Default: every address of `host`, asked for anew with each connection.
   */
  hostaddr?: string | undefined
  /** TCP port. Default 5432. */
  port?: number | undefined
  /** User. Default: the operating system's user, as for libpq. */
  user?: string | undefined
  /**
   * Password or a function that fetches it (IAM tokens, Vault). Default: none.
   *
   * @example
   * createPool({ driver, connection: { host: 'db.example', password: async () => 'a token' } })
   */
  password?: PasswordSource | undefined
  /** Database. Default: the user's name. */
  database?: string | undefined
  /** `application_name` of each session. Default: the pool's name. */
  applicationName?: string | undefined
  /** `false` for no TLS. Default: `verify-full` beyond loopback and Unix sockets, none on them. */
  ssl?: false | SslOptions | undefined
  /**
   * Whether a log-in by SCRAM is bound to the TLS session, so that nothing in between can pass it
   * on. `prefer`: where the server offers it; `require`: else the server is refused. Default
   * `prefer`.
   */
  channelBinding?: ChannelBinding | undefined
  /**
   * Run-time parameters for each session, such as `search_path` or `statement_timeout`. Each
   * connection is asked once whether it has them, because a pooler may drop them: a difference is a
   * `ConnectError` that names it. Default: none.
   */
  parameters?: Readonly<Record<string, string | number | boolean>> | undefined
  /**
   * Words at the beginning of the start-up `options` that a vendor's proxy takes out, to know which
   * server is meant: `endpoint=…` and `project=…` at Neon, `reference=…` at Supabase. Default:
   * none, because these proxies go by the name of the host.
   *
   * @example
   * createPool({ driver, connection: { host: '10.0.0.7', routing: 'endpoint=ep-cool-1' } })
   */
  routing?: string | undefined
}

/** Everything a driver needs to open a session. The password is private and never printed. */
export class ConnectionSettings {
  static {
    Object.defineProperty(this.prototype, inspect.custom, {
      value(this: ConnectionSettings) {
        return this.toJSON()
      },
    })
  }

  /** The server and the database. */
  readonly endpoint: Endpoint
  /** The address to connect to in place of looking the host up. */
  readonly hostaddr: string | undefined
  /** The user to log in as. */
  readonly user: string
  /** `application_name`. */
  readonly applicationName: string
  /** TLS settings. */
  readonly ssl: SslSettings
  /** Whether the log-in is bound to the TLS session. */
  readonly channelBinding: ChannelBinding
  /** Run-time parameters sent at start-up. */
  readonly parameters: Readonly<Record<string, string>>
  /** Words of the start-up `options` that are for a vendor's proxy. */
  readonly routing: string | undefined
  /**
   * `require_auth` of the URL: how a server may ask us to log in. The pool's `requireAuth` comes
   * before it.
   */
  readonly requireAuth: readonly AuthMethod[] | undefined
  /** What the URL says about the pool, whose own options go before it. */
  readonly pool: UrlPoolSettings
  /**
   * Why the server looks like a pooler in transaction mode, for the middle of a sentence; undefined
   * if it does not.
   */
  readonly pooledBy: string | undefined
  readonly #password: PasswordSource | undefined

  /** Takes checked values; use `readConnectionSettings`. */
  constructor(
    values: Pick<
      ConnectionSettings,
      'endpoint' | 'user' | 'password' | 'applicationName' | 'ssl' | 'parameters'
    > &
      Partial<ConnectionSettings>,
  ) {
    this.endpoint = values.endpoint
    this.hostaddr = values.hostaddr
    this.user = values.user
    this.applicationName = values.applicationName
    this.ssl = values.ssl
    this.channelBinding = values.channelBinding ?? 'prefer'
    this.parameters = values.parameters
    this.routing = values.routing
    this.requireAuth = values.requireAuth
    this.pool = values.pool ?? {}
    this.pooledBy = values.pooledBy
    this.#password = values.password
  }

  /** The password, or the function that fetches it. */
  get password(): PasswordSource | undefined {
    return this.#password
  }

  /** The same settings under another `application_name`. */
  withApplicationName(applicationName: string): ConnectionSettings {
    return new ConnectionSettings({ ...this, password: this.#password, applicationName })
  }

  /** The same settings, and of the addresses of the host this one alone. */
  withAddress(hostaddr: string): ConnectionSettings {
    return new ConnectionSettings({ ...this, password: this.#password, hostaddr })
  }

  /** Prints everything but secrets. */
  toJSON(): Record<string, unknown> {
    return {
      endpoint: formatEndpoint(this.endpoint),
      hostaddr: this.hostaddr,
      user: this.user,
      password: this.#password === undefined ? undefined : '[redacted]',
      applicationName: this.applicationName,
      ssl: { mode: this.ssl.mode },
      channelBinding: this.channelBinding,
      parameters: this.parameters,
      routing: this.routing,
      pool: this.pool,
    }
  }
}

const KNOWN_OPTIONS: ReadonlySet<string> = new Set([
  'host',
  'hostaddr',
  'port',
  'user',
  'password',
  'database',
  'applicationName',
  'ssl',
  'channelBinding',
  'parameters',
  'routing',
])

/**
 * Where the options of a pool that a URL gives stand in the object that `readConnectionUrl` makes
 * of it. A symbol, so that they go along when the object is spread and are no options of a
 * connection.
 */
const FROM_URL: unique symbol = Symbol.for('poolhouse.fromUrl')

/**
 * Reads the `connection` option: a URL in libpq form, or an object. Throws `TypeError` or
 * `RangeError` that names what is wrong and never shows a password.
 */
export function readConnectionSettings(
  where: string,
  connection: unknown,
  defaultName: string | undefined,
): ConnectionSettings {
  const options = readOptions(where, connection)
  const host = readText(where, 'host', options.host) ?? 'localhost'
  if (host.includes('@')) {
    throw new TypeError(
      `${where}: connection.host must be a name, an address or the directory of a socket, got ${describeText(host)} with an "@" in it`,
    )
  }
  const { port: at = 5432, password } = options
  const port = checkNumber(where, 'connection.port', at, { min: 1, max: 65535, integer: true })
  const hostaddr = readAddress(where, options.hostaddr)
  const user = readText(where, 'user', options.user) ?? operatingSystemUser(where)
  const database = readText(where, 'database', options.database) ?? user
  if (password !== undefined && typeof password !== 'string' && typeof password !== 'function') {
    throw new TypeError(
      `${where}: connection.password must be a string or a function that returns one, got a value of type ${typeof password}`,
    )
  }
  const why = typeof password === 'string' ? whyNotEncodable(password) : undefined
  if (why !== undefined) throw new TypeError(`${where}: connection.password ${why}`)
  const pool = options[FROM_URL] ?? {}
  return new ConnectionSettings({
    endpoint: Object.freeze({ host, port, database }),
    hostaddr,
    user,
    password,
    applicationName:
      readText(where, 'applicationName', options.applicationName) ?? defaultName ?? 'poolhouse',
    // A name that is not local stays so, whatever address stands in for it.
    ssl: readSsl(where, options.ssl, isLocal(host) ? (hostaddr ?? host) : host),
    channelBinding: checkWord(
      where,
      'connection.channelBinding',
      options.channelBinding ?? 'prefer',
      CHANNEL_BINDINGS,
    ),
    parameters: readParameters(where, options.parameters),
    routing: readRouting(where, options.routing),
    requireAuth: pool.requireAuth,
    pool,
    pooledBy: pool.pooler === undefined ? pooledHost(host, port) : 'its URL says pgbouncer=true',
  })
}

/** What a URL can say: a connection, and options of its pool, which go along under `FROM_URL`. */
export interface UrlConnection extends ConnectionOptions {
  /** Options of the pool; those of `createPool` go before them. */
  readonly [FROM_URL]?: UrlPoolSettings | undefined
}

function readOptions(where: string, connection: unknown): UrlConnection {
  if (connection === undefined) {
    throw new TypeError(
      `${where}: connection is missing; give a URL such as postgres://user:password@host:5432/database, or an object`,
    )
  }
  if (typeof connection !== 'string') {
    if (connection === null || typeof connection !== 'object' || Array.isArray(connection)) {
      throw new TypeError(
        `${where}: connection must be a URL or an object, got ${typeof connection === 'object' ? describeValue(connection) : typeof connection}`,
      )
    }
    refuseUnknownOptions(`${where}: connection`, connection, KNOWN_OPTIONS)
    return connection
  }
  const url = parseConnectionUrl(where, connection)
  if (url.hosts.length > 1) {
    throw new TypeError(
      `${where}: connection names ${url.hosts.length} hosts, and a pool is connections to one server; give the URL to hosts(url) of @poolhouse/failover for withFailover, or to the manager, which follow the primary among them; or make a pool for each and give them to withFailover`,
    )
  }
  refuseTarget(where, url)
  return connectionsOf(where, url)[0]!
}

/**
 * One server has the role that it has, so that asking for another would have to fail or be ignored.
 */
function refuseTarget(where: string, { targetSessionAttrs }: ParsedConnectionUrl): void {
  if (targetSessionAttrs === undefined || ANY_ROLE.has(targetSessionAttrs)) return
  const instead =
    targetSessionAttrs === 'primary' || targetSessionAttrs === 'read-write'
      ? 'to follow the primary, give hosts(url) of @poolhouse/failover to withFailover, or the URL to the manager as nodes'
      : 'to read from standbys, make a pool of each server and give them to withReplicas, whose reader() and intents route reads'
  throw new TypeError(
    `${where}: connection: target_session_attrs=${targetSessionAttrs} asks for a server by its role, and this is a pool of one server, whatever its role; leave it out; ${instead}`,
  )
}

const ANY_ROLE: ReadonlySet<string> = new Set(['any', 'prefer-standby'])

/**
 * Takes a URL in libpq form apart into the connection options of each of its hosts, at least one;
 * the files that it names are read. Throws `TypeError` that never shows a password.
 *
 * @example
 * const [first] = readConnectionUrl('myTool', 'postgres://app@a:5432,b:5433/shop')
 * console.log(first?.host, first?.database) // a shop
 */
export function readConnectionUrl(where: string, text: string): readonly UrlConnection[] {
  return connectionsOf(where, parseConnectionUrl(where, text))
}

/**
 * The connection options of each host of a URL that was taken apart; the files that it names are
 * read.
 */
export function connectionsOf(where: string, url: ParsedConnectionUrl): readonly UrlConnection[] {
  const { ssl, user, password, database, applicationName, channelBinding, parameters } = url
  const common = {
    user,
    database,
    applicationName,
    channelBinding,
    parameters,
    routing: url.routing,
    ssl: ssl && {
      mode: ssl.mode,
      ca: readPem(where, 'sslrootcert', ssl.rootCertFile),
      cert: readPem(where, 'sslcert', ssl.certFile),
      key: readPem(where, 'sslkey', ssl.keyFile),
      passphrase: ssl.keyPassword,
      negotiation: ssl.negotiation,
      ...(ssl.crlFile !== undefined && { crl: readPem(where, 'sslcrl', ssl.crlFile) }),
      ...(ssl.sni !== undefined && { sni: ssl.sni }),
      ...(ssl.minVersion !== undefined && { minVersion: ssl.minVersion }),
      ...(ssl.maxVersion !== undefined && { maxVersion: ssl.maxVersion }),
    },
    ...(url.pool !== undefined && { [FROM_URL]: Object.freeze(url.pool) }),
  }
  const hosts = url.hosts.length === 0 ? [{ host: undefined, port: undefined }] : url.hosts
  return hosts.map(({ host, port, hostaddr }: UrlHost) => ({
    ...common,
    host,
    port,
    ...(hostaddr !== undefined && { hostaddr }),
    password: password ?? readPasswordFile(where, url, { host, port, hostaddr }),
  }))
}

function readPasswordFile(
  where: string,
  { passwordFile, user, database }: ParsedConnectionUrl,
  { host = 'localhost', port = 5432 }: UrlHost,
): string | undefined {
  if (passwordFile === undefined) return undefined
  const name = user ?? operatingSystemUser(where)
  return passwordFromFile(
    passwordFile,
    { host, port, database: database ?? name, user: name },
    (what) => {
      throw new TypeError(`${where}: the password file of the connection ${what}`)
    },
  )
}

// What a certificate or a key is usually called. Anything else may be the secret itself, given by
// mistake.
const FILE_NAME = /^[\w./~-]*\w\.(?:pem|crt|cer|cert|key|crl)$/i

function readPem(where: string, name: string, file: string | undefined): string | undefined {
  // libpq's `sslrootcert=system` means the authorities that are trusted anyway.
  if (file === undefined || file === 'system') return undefined
  if (file.includes('-----')) {
    throw new TypeError(
      `${where}: ${name} is the name of a file, got PEM text; give the text as connection.ssl.ca, cert, key or crl of an object`,
    )
  }
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    const isShown = FILE_NAME.test(file)
    throw new TypeError(
      `${where}: cannot read the file named by ${name} (${(error as NodeJS.ErrnoException).code})${isShown ? `: ${file}` : ''}`,
      // The error of the file system names the file, too.
      isShown ? { cause: error } : undefined,
    )
  }
}

function readAddress(where: string, hostaddr: unknown): string | undefined {
  if (hostaddr === undefined) return undefined
  if (typeof hostaddr !== 'string' || isIP(hostaddr) === 0) {
    throw new TypeError(
      `${where}: connection.hostaddr must be an IP address, got ${describeValue(hostaddr)}`,
    )
  }
  return hostaddr
}

function readRouting(where: string, routing: unknown): string | undefined {
  if (routing === undefined) return undefined
  const words = typeof routing === 'string' ? routing.split(' ') : []
  if (words.length === 0 || !words.every((word) => isRouting(word))) {
    throw new TypeError(
      `${where}: connection.routing must be words such as endpoint=ep-1, project=… or reference=…, got ${describeValue(routing)}`,
    )
  }
  return routing as string
}

function readText(where: string, name: string, value: unknown): string | undefined {
  return value === undefined ? undefined : checkShownText(where, `connection.${name}`, value)
}

function operatingSystemUser(where: string): string {
  try {
    return userInfo().username
  } catch (error) {
    // Containers run under numeric ids that have no name.
    throw new TypeError(
      `${where}: connection.user is missing and the operating system has no name for this user`,
      {
        cause: error,
      },
    )
  }
}

function readParameters(where: string, parameters: unknown): Readonly<Record<string, string>> {
  const result: Record<string, string> = Object.create(null) as Record<string, string>
  if (parameters === undefined) return result
  if (parameters === null || typeof parameters !== 'object' || Array.isArray(parameters)) {
    throw new TypeError(
      `${where}: connection.parameters must be an object of names and values, got ${describeValue(parameters)}`,
    )
  }
  for (const [name, value] of Object.entries(parameters)) {
    if (typeof value !== 'string' && typeof value !== 'number' && typeof value !== 'boolean') {
      throw new TypeError(
        `${where}: connection.parameters.${printableName(name)} must be a string, a number or a boolean, got ${describeValue(value)}`,
      )
    }
    // What followed a NUL would be read as another field of the start-up message, such as the user.
    const why = whyNotEncodable(`${name}${value}`)
    if (why !== undefined) {
      throw new TypeError(`${where}: connection.parameters.${printableName(name)} ${why}`)
    }
    if (name === '' || /[\s=]/.test(name)) {
      throw new TypeError(
        `${where}: connection.parameters has ${describeName(name)}, which is not the name of a parameter`,
      )
    }
    result[name] = String(value)
  }
  return Object.freeze(result)
}

function printableName(name: string): string {
  const shown = describeName(name)
  return shown.startsWith('"') ? printable(name) : `(${shown})`
}
