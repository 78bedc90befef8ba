import { nearestName } from '../base/option-check.js'
import { isKeywordText, keywordsOf, urlOfKeywords } from './connection-keywords.js'
import { ParameterReader } from './parameter-reader.js'
import { type ParsedConnectionUrl, readParameters } from './read-parameters.js'
import { defaultServiceFile, readService } from './service-file.js'
import { SECRET_NAMES, settingNamed, USABLE_NAMES } from './settings-table.js'
import { SCHEMES, wrongScheme } from './url-schemes.js'

const FORM = 'postgres://user:password@host:5432/database'
const KEYWORD_FORM = "host=… port=5432 dbname=… user=… password='…'"
const SECRETS = new RegExp(`(?:^|&)(?:${SECRET_NAMES.join('|')})=`)
const HINT = 'percent-encode special characters in user, password and database'

/** Whether a text is meant as a connection URL of PostgreSQL, or as the keywords of one. */
export function isConnectionText(text: string): boolean {
  if (SCHEMES.some((scheme) => text.startsWith(scheme))) return true
  const keyword = /^\s*([a-z_]+)\s*=/.exec(text)?.[1]
  return keyword !== undefined && settingNamed(keyword) !== undefined
}

/**
 * Gives the URL that says the same as `text`: `host=a dbname=app`, the other form that libpq takes,
 * becomes `postgres://?host=a&dbname=app`, and everything else is given back as it is. Throws
 * `TypeError` for keywords that cannot be read, and never repeats a part of them.
 */
export function connectionUrl(where: string, text: string): string {
  if (!isKeywordText(text)) return text
  return urlOfKeywords(text, malformed(where, true))
}

/**
 * Takes a connection URL apart, in the form of libpq
 * (`postgresql://user:password@host:port,host:port/database?sslmode=…`), or its list of keywords
 * and values (`host=a port=5432 dbname=app`). What its parameters mean, `docs/settings.md` tells.
 * Reads the service file, if a `service` is named. Linear in the length of the text. Throws
 * `TypeError`; messages never repeat a part of the text that may hold a secret.
 */
export function parseConnectionUrl(where: string, text: string): ParsedConnectionUrl {
  const isKeywords = isKeywordText(text)
  const fail = malformed(where, isKeywords)
  const { parts, isGuarded } = isKeywords
    ? { parts: keywordsOf(text, fail), isGuarded: false }
    : partsOf(text, fail)
  const refuse = (what: string): never => {
    throw new TypeError(`${where}: connection: ${what}`)
  }
  return readNamed(parts, (name) => name, refuse, isGuarded)
}

/**
 * Gives meaning to parameters by name, of whatever source they are: refuses unknown ones, and fills
 * gaps from the service that they name. With `isGuarded`, a name may be a part of a secret and is
 * not repeated.
 */
export function readNamed(
  parts: readonly (readonly [name: string, value: string])[],
  said: (name: string) => string,
  fail: (what: string) => never,
  isGuarded = false,
  systemFolder?: string,
): ParsedConnectionUrl {
  const given = new Map<string, string>()
  // What stands beside a secret may be a part of it.
  const isSecret = parts.some(([name]) => settingNamed(name)?.secret)
  for (const [name, value] of parts) {
    if (settingNamed(name) === undefined) unknown(name, isGuarded || isSecret, fail)
    if (given.has(name)) fail(`the parameter "${said(name)}" is given twice`)
    given.set(name, value)
  }
  const service = given.get('service')
  if (service !== undefined) {
    const file = given.get('servicefile') ?? defaultServiceFile(systemFolder)
    for (const [name, value] of readService(file, service, fail)) {
      if (settingNamed(name) === undefined) unknown(name, true, fail)
      if (!given.has(name) && value !== '') given.set(name, value)
    }
  }
  return readParameters(new ParameterReader(given, { said, fail }))
}

type Fail = (what: string) => never
type Parts = [name: string, value: string][]

function malformed(where: string, isKeywords: boolean): Fail {
  return (what) => {
    throw new TypeError(
      isKeywords
        ? `${where}: connection is a malformed list of keywords: ${what}; expected ${KEYWORD_FORM}`
        : `${where}: connection is a malformed URL: ${what}; expected ${FORM}`,
    )
  }
}

function unknown(name: string, isGuarded: boolean, fail: Fail): never {
  const near = nearestName(name, USABLE_NAMES)
  const printable = !isGuarded && /^[\w-]{1,40}$/.test(name) ? ` "${name}"` : ''
  return fail(
    `unknown parameter${printable}${near ? `, did you mean "${near}"?` : ''}; run-time parameters go into options=-c name=value`,
  )
}

/**
 * The parts of a URL by the name of the parameter that says the same; what stands in its query goes
 * before the rest.
 */
function partsOf(text: string, fail: Fail): { parts: Parts; isGuarded: boolean } {
  const scheme = SCHEMES.find((candidate) => text.startsWith(candidate))
  if (scheme === undefined) return fail(wrongScheme(text))
  const rest = text.slice(scheme.length)
  if (rest.includes('#')) return fail(`it contains "#"; ${HINT}`)
  const [beforeQuery, query = ''] = splitOnce(rest, '?')
  const [authority, path] = splitOnce(beforeQuery, '/')
  if (path?.includes('@')) return fail(`an "@" follows the host; ${HINT}`)
  const at = authority.lastIndexOf('@')
  const [user, password] = splitOnce(at === -1 ? '' : authority.slice(0, at), ':')
  const decode = (part: string, name: string): string => {
    try {
      return decodeURIComponent(part)
    } catch {
      return fail(`the ${name} is not valid percent-encoding; ${HINT}`)
    }
  }
  const fromQuery: Parts = []
  for (const pair of query.split('&')) {
    if (pair === '') continue
    const [rawName, rawValue] = splitOnce(pair, '=')
    const name = decode(rawName, 'name of a parameter')
    if (settingNamed(name) === undefined) {
      fromQuery.push([name, ''])
      break
    }
    if (rawValue === undefined) return fail(`the parameter "${name}" has no "=" and no value`)
    fromQuery.push([name, decode(rawValue, `value of "${name}"`)])
  }
  const said = new Set(fromQuery.map(([name]) => name))
  const fromUrl: Parts = [
    ['user', decode(user, 'user')],
    ['password', decode(password ?? '', 'password')],
    ['dbname', decode(path ?? '', 'database')],
    ...hostParts(authority.slice(at + 1), decode, fail),
  ]
  return {
    parts: [...fromUrl.filter(([name]) => !said.has(name)), ...fromQuery].filter(
      ([name, value]) => value !== '' || settingNamed(name) === undefined,
    ) as Parts,
    // Behind an unescaped "?" or "&" a name may be a part of the password.
    isGuarded: query.includes('@') || SECRETS.test(query),
  }
}

function splitOnce(text: string, separator: string): [string, string | undefined] {
  const index = text.indexOf(separator)
  return index === -1 ? [text, undefined] : [text.slice(0, index), text.slice(index + 1)]
}

/** The hosts of the authority as the lists that `host` and `port` are in a query. */
function hostParts(
  list: string,
  decode: (part: string, name: string) => string,
  fail: Fail,
): Parts {
  if (list === '') return []
  const entries = list.split(',').map((entry) => splitHostAndPort(entry, fail))
  const hosts = entries.map(([host]) => decode(host, 'host'))
  if (hosts.some((host) => host.includes(','))) fail(`a host contains a comma; ${HINT}`)
  const ports = entries.map(([, port]) => port)
  return [
    ['host', hosts.every((host) => host === '') && hosts.length === 1 ? '' : hosts.join(',')],
    ['port', ports.every((port) => port === '') ? '' : ports.join(',')],
  ]
}

function splitHostAndPort(entry: string, fail: Fail): [host: string, port: string] {
  if (entry.startsWith('[')) {
    const end = entry.indexOf(']')
    if (end === -1) return fail('an IPv6 address lacks its closing bracket')
    const after = entry.slice(end + 1)
    if (after !== '' && !after.startsWith(':'))
      return fail('something follows the bracket of an IPv6 address')
    return [entry.slice(1, end), after.slice(1)]
  }
  const [host, port = ''] = splitOnce(entry, ':')
  if (port.includes(':'))
    return fail('a host contains several colons; put IPv6 addresses in brackets')
  return [host, port]
}
