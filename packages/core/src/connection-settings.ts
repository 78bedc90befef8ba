import { readFileSync } from 'node:fs'
import { userInfo } from 'node:os'
import { inspect } from 'node:util'
import { parseConnectionUrl } from './connection-url.js'
import type { AuthMethod } from './driver.js'
import { whyNotEncodable } from './encodable.js'
import { type Endpoint, formatEndpoint } from './endpoint.js'
import { checkNumber, describeValue, refuseUnknownOptions } from './option-check.js'
import { readSsl, type SslOptions, type SslSettings } from './ssl-settings.js'

/** A password, or a function that fetches one: called for each new connection, at most once at a time. */
export type PasswordSource = string | (() => string | Promise<string>)

/** One server, one database and one user, given as an object. */
export interface ConnectionOptions {
  /** Host name, address, or directory of a Unix socket. Default `localhost`. */
  host?: string | undefined
  /** TCP port. Default 5432. */
  port?: number | undefined
  /** User. Default: the operating system's user, as for libpq. */
  user?: string | undefined
  /** Password or a function that fetches it (IAM tokens, Vault). */
  password?: PasswordSource | undefined
  /** Database. Default: the user's name. */
  database?: string | undefined
  /** `application_name` of each session. Default: the pool's name. */
  applicationName?: string | undefined
  /** `false` for no TLS. Default: `verify-full` beyond loopback and Unix sockets, none on them. */
  ssl?: false | SslOptions | undefined
  /** Run-time parameters for each session, such as `search_path` or `statement_timeout`. */
  parameters?: Readonly<Record<string, string | number | boolean>> | undefined
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
  /** The user to log in as. */
  readonly user: string
  /** `application_name`. */
  readonly applicationName: string
  /** TLS settings. */
  readonly ssl: SslSettings
  /** Run-time parameters sent at start-up. */
  readonly parameters: Readonly<Record<string, string>>
  /** `require_auth` of the URL: how a server may ask us to log in. The pool's `requireAuth` comes before it. */
  readonly requireAuth: readonly AuthMethod[] | undefined
  readonly #password: PasswordSource | undefined

  /** Takes checked values; use `readConnectionSettings`. */
  constructor(values: {
    endpoint: Endpoint
    user: string
    password: PasswordSource | undefined
    applicationName: string
    ssl: SslSettings
    parameters: Readonly<Record<string, string>>
    requireAuth?: readonly AuthMethod[] | undefined
  }) {
    this.endpoint = values.endpoint
    this.user = values.user
    this.applicationName = values.applicationName
    this.ssl = values.ssl
    this.parameters = values.parameters
    this.requireAuth = values.requireAuth
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

  /** Prints everything but secrets. */
  toJSON(): Record<string, unknown> {
    return {
      endpoint: formatEndpoint(this.endpoint),
      user: this.user,
      password: this.#password === undefined ? undefined : '[redacted]',
      applicationName: this.applicationName,
      ssl: { mode: this.ssl.mode },
      parameters: this.parameters,
      requireAuth: this.requireAuth,
    }
  }
}

const KNOWN_OPTIONS: ReadonlySet<string> = new Set([
  'host',
  'port',
  'user',
  'password',
  'database',
  'applicationName',
  'ssl',
  'parameters',
])

/**
 * Reads the `connection` option: a URL in libpq form, or an object. Throws `TypeError` or `RangeError` that names what is
 * wrong and never shows a password.
 */
export function readConnectionSettings(
  where: string,
  connection: unknown,
  defaultName: string | undefined,
): ConnectionSettings {
  const { requireAuth, ...options } = readOptions(where, connection)
  const host = readText(where, 'host', options.host) ?? 'localhost'
  const port =
    options.port === undefined
      ? 5432
      : checkNumber(where, 'connection.port', options.port, { min: 1, max: 65535, integer: true })
  const user = readText(where, 'user', options.user) ?? operatingSystemUser(where)
  const database = readText(where, 'database', options.database) ?? user
  const password = options.password
  if (password !== undefined && typeof password !== 'string' && typeof password !== 'function') {
    throw new TypeError(
      `${where}: connection.password must be a string or a function that returns one, got a value of type ${typeof password}`,
    )
  }
  if (typeof password === 'string') checkEncodable(where, 'password', password)
  return new ConnectionSettings({
    endpoint: Object.freeze({ host, port, database }),
    user,
    password,
    applicationName:
      readText(where, 'applicationName', options.applicationName) ?? defaultName ?? 'poolhouse',
    ssl: readSsl(where, options.ssl, host),
    parameters: readParameters(where, options.parameters),
    requireAuth,
  })
}

/** What a URL can say, which is one thing more than the object. */
export interface UrlConnection extends ConnectionOptions {
  /** `require_auth`: how the server may ask us to log in. */
  requireAuth: readonly AuthMethod[] | undefined
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
    return { ...connection, requireAuth: undefined }
  }
  const [first, ...others] = readConnectionUrl(where, connection)
  if (others.length > 0) {
    throw new TypeError(
      `${where}: connection names ${others.length + 1} hosts, and a pool is connections to one server; make a pool for each and give them to withFailover`,
    )
  }
  return first!
}

/**
 * Takes a URL in libpq form apart into the connection options of each of its hosts, at least one; the files that it names are read. Throws
 * `TypeError` that never shows a password.
 */
export function readConnectionUrl(where: string, text: string): readonly UrlConnection[] {
  const url = parseConnectionUrl(where, text)
  const { ssl, user, password, database, applicationName, parameters, requireAuth } = url
  const common = {
    user,
    password,
    database,
    applicationName,
    parameters,
    ssl: ssl && {
      mode: ssl.mode,
      ca: readPem(where, 'sslrootcert', ssl.rootCertFile),
      cert: readPem(where, 'sslcert', ssl.certFile),
      key: readPem(where, 'sslkey', ssl.keyFile),
      passphrase: ssl.keyPassword,
      negotiation: ssl.negotiation,
    },
    requireAuth,
  }
  const hosts = url.hosts.length === 0 ? [{ host: undefined, port: undefined }] : url.hosts
  return hosts.map(({ host, port }) => ({ ...common, host, port }))
}

function readPem(where: string, name: string, file: string | undefined): string | undefined {
  // libpq's `sslrootcert=system` means the authorities that are trusted anyway.
  if (file === undefined || file === 'system') return undefined
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new TypeError(
      `${where}: cannot read the file named by ${name} (${(error as NodeJS.ErrnoException).code}): ${file}`,
      { cause: error },
    )
  }
}

function readText(where: string, name: string, value: unknown): string | undefined {
  if (value === undefined) return undefined
  if (typeof value !== 'string' || value === '') {
    throw new TypeError(
      `${where}: connection.${name} must be a non-empty string, got ${describeValue(value)}`,
    )
  }
  checkEncodable(where, name, value)
  return value
}

/** Refuses what would arrive as another text. Never shows it: it may be the password. */
function checkEncodable(where: string, name: string, text: string): void {
  const why = whyNotEncodable(text)
  if (why !== undefined) throw new TypeError(`${where}: connection.${name} ${why}`)
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
        `${where}: connection.parameters.${name} must be a string, a number or a boolean, got ${describeValue(value)}`,
      )
    }
    result[name] = String(value)
    checkEncodable(where, `parameters.${name}`, `${name}${result[name]}`)
  }
  return Object.freeze(result)
}
