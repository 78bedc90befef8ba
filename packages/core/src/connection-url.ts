import { isKeywordText, urlOfKeywords } from './connection-keywords.js'
import type { AuthMethod } from './driver.js'
import { AUTH_METHODS } from './net/accepted-auth.js'
import { nearestName } from './option-check.js'
import type { SslMode, SslNegotiation } from './ssl-settings.js'

/** One host of a connection URL. */
export interface UrlHost {
  /** Name, address or socket directory. */
  readonly host: string | undefined
  /** Port, if the URL says it. */
  readonly port: number | undefined
}

/** The TLS parameters of a connection URL. */
export interface UrlSsl {
  /** `sslmode`. */
  readonly mode: SslMode | undefined
  /** `sslrootcert`, a file name. */
  readonly rootCertFile: string | undefined
  /** `sslcert`, a file name. */
  readonly certFile: string | undefined
  /** `sslkey`, a file name. */
  readonly keyFile: string | undefined
  /** `sslpassword`, that of the key. */
  readonly keyPassword: string | undefined
  /** `sslnegotiation`. */
  readonly negotiation: SslNegotiation | undefined
}

/** A connection URL taken apart. Nothing is defaulted here but what the URL itself says. */
export interface ParsedConnectionUrl {
  /** The hosts in order; more than one for libpq multi-host URLs. Empty if the URL names none. */
  readonly hosts: readonly UrlHost[]
  /** User. */
  readonly user: string | undefined
  /** Password. */
  readonly password: string | undefined
  /** Database. */
  readonly database: string | undefined
  /** `application_name`. */
  readonly applicationName: string | undefined
  /** `target_session_attrs`. */
  readonly targetSessionAttrs: string | undefined
  /** `sslmode` and the files beside it, if `sslmode` or any of them is given. */
  readonly ssl: UrlSsl | undefined
  /** `require_auth`, as the methods that are accepted. */
  readonly requireAuth: readonly AuthMethod[] | undefined
  /** Run-time parameters: `options=-c name=value` and `client_encoding`-like names. */
  readonly parameters: Readonly<Record<string, string>>
}

const KNOWN_PARAMETERS: ReadonlySet<string> = new Set([
  'host',
  'port',
  'user',
  'password',
  'dbname',
  'application_name',
  'target_session_attrs',
  'sslmode',
  'sslrootcert',
  'sslcert',
  'sslkey',
  'sslpassword',
  'sslnegotiation',
  'require_auth',
  'options',
])
const SSL_MODES: readonly SslMode[] = ['disable', 'prefer', 'require', 'verify-ca', 'verify-full']
const FORM = 'postgres://user:password@host:5432/database'
const KEYWORD_FORM = "host=… port=5432 dbname=… user=… password='…'"
const HINT = 'percent-encode special characters in user, password and database'

/**
 * Gives the URL that says the same as `text`: `host=a dbname=app`, the other form that libpq takes, becomes `postgres://?host=a&dbname=app`, and
 * everything else is given back as it is. Throws `TypeError` for keywords that cannot be read, and never repeats a part of them.
 */
export function connectionUrl(where: string, text: string): string {
  if (!isKeywordText(text)) return text
  return urlOfKeywords(text, (what) => {
    throw new TypeError(
      `${where}: connection is a malformed list of keywords: ${what}; expected ${KEYWORD_FORM}`,
    )
  })
}

/**
 * Takes a connection URL apart, in the form of libpq (`postgresql://user:password@host:port,host:port/database?sslmode=…`), or its list of
 * keywords and values (`host=a port=5432 dbname=app`). Linear in the length of the text. Throws `TypeError`; messages never repeat a part
 * of the text that may hold a secret.
 */
export function parseConnectionUrl(where: string, given: string): ParsedConnectionUrl {
  const isKeywords = isKeywordText(given)
  const text = connectionUrl(where, given)
  const fail = (what: string): never => {
    throw new TypeError(
      isKeywords
        ? `${where}: connection is a malformed list of keywords: ${what}; expected ${KEYWORD_FORM}`
        : `${where}: connection is a malformed URL: ${what}; expected ${FORM}`,
    )
  }
  const scheme = ['postgres://', 'postgresql://'].find((candidate) => text.startsWith(candidate))
  if (scheme === undefined) return fail('it does not start with postgres:// or postgresql://')
  const rest = text.slice(scheme.length)
  const hash = rest.indexOf('#')
  if (hash !== -1) return fail(`it contains "#"; ${HINT}`)
  const [beforeQuery, query] = splitOnce(rest, '?')
  const [authority, path] = splitOnce(beforeQuery, '/')
  if (path?.includes('@')) return fail(`an "@" follows the host; ${HINT}`)
  const at = authority.lastIndexOf('@')
  const [user, password] = splitOnce(at === -1 ? '' : authority.slice(0, at), ':')
  const decode = (part: string | undefined, name: string): string | undefined => {
    if (part === undefined || part === '') return undefined
    try {
      return decodeURIComponent(part)
    } catch {
      return fail(`the ${name} is not valid percent-encoding; ${HINT}`)
    }
  }
  const parameters = readQuery(query, decode, fail)
  const hostList = parameters.get('host') ?? authority.slice(at + 1)
  return {
    hosts: readHosts(hostList, parameters.get('port'), parameters.has('host'), decode, fail),
    user: parameters.get('user') ?? decode(user, 'user'),
    password: parameters.get('password') ?? decode(password, 'password'),
    database: parameters.get('dbname') ?? decode(path, 'database'),
    applicationName: parameters.get('application_name'),
    targetSessionAttrs: parameters.get('target_session_attrs'),
    ssl: readSslParameters(parameters, fail),
    requireAuth: readRequireAuth(parameters.get('require_auth'), fail),
    parameters: readOptionsParameter(parameters.get('options'), fail),
  }
}

type Decode = (part: string | undefined, name: string) => string | undefined
type Fail = (what: string) => never

function splitOnce(text: string, separator: string): [string, string | undefined] {
  const index = text.indexOf(separator)
  return index === -1 ? [text, undefined] : [text.slice(0, index), text.slice(index + 1)]
}

function readQuery(query: string | undefined, decode: Decode, fail: Fail): Map<string, string> {
  const parameters = new Map<string, string>()
  for (const pair of (query ?? '').split('&')) {
    if (pair === '') continue
    const [rawName, rawValue] = splitOnce(pair, '=')
    const name = decode(rawName, 'name of a parameter') ?? ''
    if (!KNOWN_PARAMETERS.has(name)) {
      const near = nearestName(name, KNOWN_PARAMETERS)
      // Behind an unescaped "?" or "&" it may be a part of the password instead of a name.
      const safe = !query!.includes('@') && !parameters.has('password')
      const printable = safe && /^[\w-]{1,40}$/.test(name) ? ` "${name}"` : ''
      return fail(
        `unknown parameter${printable}${near ? `, did you mean "${near}"?` : ''}; run-time parameters go into options=-c name=value`,
      )
    }
    if (parameters.has(name)) return fail(`the parameter "${name}" is given twice`)
    const value = decode(rawValue, `value of "${name}"`)
    if (value !== undefined) parameters.set(name, value)
  }
  return parameters
}

function readHosts(
  list: string,
  portList: string | undefined,
  fromQuery: boolean,
  decode: Decode,
  fail: Fail,
): { host: string | undefined; port: number | undefined }[] {
  if (list === '' && portList === undefined) return []
  const ports = portList?.split(',') ?? []
  const entries = list.split(',')
  if (ports.length > 1 && ports.length !== entries.length) {
    return fail(`it names ${ports.length} ports for ${entries.length} hosts`)
  }
  return entries.map((entry, index) => {
    const [host, port] = fromQuery ? [entry, undefined] : splitHostAndPort(entry, fail)
    const portText = port ?? (ports.length > 1 ? ports[index] : ports[0])
    return {
      host: fromQuery ? host || undefined : decode(host, 'host'),
      port: readPort(portText, fail),
    }
  })
}

function splitHostAndPort(entry: string, fail: Fail): [string, string | undefined] {
  if (entry.startsWith('[')) {
    const end = entry.indexOf(']')
    if (end === -1) return fail('an IPv6 address lacks its closing bracket')
    const after = entry.slice(end + 1)
    if (after !== '' && !after.startsWith(':'))
      return fail('something follows the bracket of an IPv6 address')
    return [entry.slice(1, end), after === '' ? undefined : after.slice(1)]
  }
  const colon = entry.indexOf(':')
  if (colon !== entry.lastIndexOf(':'))
    return fail('a host contains several colons; put IPv6 addresses in brackets')
  return colon === -1 ? [entry, undefined] : [entry.slice(0, colon), entry.slice(colon + 1)]
}

function readPort(text: string | undefined, fail: Fail): number | undefined {
  if (text === undefined || text === '') return undefined
  const port = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN
  // The text is not repeated: with an unescaped "/" or ":" in the password, this may be a part of it.
  if (!(port >= 1 && port <= 65535))
    return fail(`the port is not a number from 1 to 65535; ${HINT}`)
  return port
}

function readSslParameters(
  parameters: ReadonlyMap<string, string>,
  fail: Fail,
): UrlSsl | undefined {
  const mode = parameters.get('sslmode')
  // Not repeated: behind an unescaped "?" in the password, it may be a part of it.
  if (mode !== undefined && !isSslMode(mode)) {
    return fail(`sslmode must be one of ${SSL_MODES.join(', ')}`)
  }
  const negotiation = parameters.get('sslnegotiation')
  if (negotiation !== undefined && negotiation !== 'postgres' && negotiation !== 'direct') {
    return fail('sslnegotiation must be postgres or direct')
  }
  const rootCertFile = parameters.get('sslrootcert')
  // As libpq: the authorities everybody trusts sign for anybody, so they mean nothing without the name.
  if (rootCertFile === 'system' && mode !== undefined && mode !== 'verify-full') {
    return fail('sslrootcert=system needs sslmode=verify-full')
  }
  const ssl: UrlSsl = {
    mode,
    rootCertFile,
    certFile: parameters.get('sslcert'),
    keyFile: parameters.get('sslkey'),
    keyPassword: parameters.get('sslpassword'),
    negotiation,
  }
  return Object.values(ssl).every((value) => value === undefined) ? undefined : ssl
}

/** libpq's list: methods that are accepted, or, each with a "!", methods that are not. */
function readRequireAuth(text: string | undefined, fail: Fail): readonly AuthMethod[] | undefined {
  if (text === undefined) return undefined
  const words = text.split(',')
  const refused = words.filter((word) => word.startsWith('!')).map((word) => word.slice(1))
  const named = refused.length === 0 ? words : refused
  const known = AUTH_METHODS.filter((method) => named.includes(method))
  if (refused.length % words.length !== 0 || known.length !== words.length) {
    return fail(
      `require_auth must list each once of ${AUTH_METHODS.join(', ')}, all of them or none with a "!"`,
    )
  }
  return refused.length === 0 ? known : AUTH_METHODS.filter((method) => !known.includes(method))
}

function isSslMode(mode: string): mode is SslMode {
  return (SSL_MODES as readonly string[]).includes(mode)
}

function readOptionsParameter(options: string | undefined, fail: Fail): Record<string, string> {
  const result: Record<string, string> = Object.create(null) as Record<string, string>
  if (options === undefined) return result
  const words = options.split(' ').filter((word) => word !== '')
  for (let index = 0; index < words.length; index++) {
    const word = words[index]!
    const setting =
      word === '-c'
        ? words[++index]
        : word.startsWith('-c')
          ? word.slice(2)
          : word.startsWith('--')
            ? word.slice(2)
            : undefined
    const [name, value] = splitOnce(setting ?? '', '=')
    if (name === '' || value === undefined) return fail('options must have the form -c name=value')
    result[name.replaceAll('-', '_')] = value
  }
  return result
}
