import { connectionUrl, describeValue } from '@poolhouse/core/kit'

/** One value of the configuration. */
export interface ConfigEntry {
  /** Its path, such as `databases.app.pool.max`. */
  readonly path: string
  /** The value as text, with secrets as `[redacted]`. */
  readonly value: string
  /** Where it came from: `code`, a file, or a variable of the environment. */
  readonly origin: string
}

// The keys whose values may be or contain a secret.
const SECRET: ReadonlySet<string> = new Set(['password', 'passphrase', 'key', 'tokenSecret'])
const URL_TEXT = /^postgres(?:ql)?:\/\//

/** Lists every value with its path. Functions and class instances are named, not listed. */
export function explain(
  value: unknown,
  path: string,
  originOf: (path: string) => string,
): ConfigEntry[] {
  const entry = (text: string): ConfigEntry[] => [
    Object.freeze({ path, value: text, origin: originOf(path) }),
  ]
  const name = path.slice(path.lastIndexOf('.') + 1)
  if (value === undefined) return []
  if (SECRET.has(name)) return entry('[redacted]')
  if (typeof value === 'function') return entry('a function')
  if (typeof value === 'string') return entry(explainText(value))
  if (value === null || typeof value !== 'object') return entry(String(value))
  if (Array.isArray(value))
    return value.flatMap((each, index) => explain(each, `${path}.${index}`, originOf))
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype !== Object.prototype && prototype !== null) return entry('an object')
  const entries = Object.entries(value)
  if (entries.length === 0) return entry('{}')
  if (entries.some(([, each]) => typeof each === 'function') && isInstance(value))
    return entry(nameOf(value))
  return entries.flatMap(([key, each]) =>
    explain(each, path === '' ? key : `${path}.${key}`, originOf),
  )
}

/** Whether the value is a driver or a discovery, whose properties are no configuration. */
function isInstance(value: object): boolean {
  return ['connect', 'next', 'query'].some(
    (method) => typeof (value as Record<string, unknown>)[method] === 'function',
  )
}

function nameOf(value: object): string {
  const { name } = value as { name?: unknown }
  return typeof name === 'string' ? name : describeValue(value)
}

function explainText(text: string): string {
  try {
    const url = connectionUrl('', text)
    return URL_TEXT.test(url) ? redactUrl(url) : text
  } catch {
    // Unreadable keywords: it is unknown which part is the password.
    return '[unreadable]'
  }
}

/** Redacts the password of a connection URL, in the authority and in the query. */
function redactUrl(url: string): string {
  const [beforeQuery = '', query] = split(url, '?')
  const slash = beforeQuery.indexOf('//') + 2
  const at = beforeQuery.lastIndexOf('@')
  const colon = beforeQuery.indexOf(':', slash)
  const authority =
    at > slash && colon !== -1 && colon < at
      ? `${beforeQuery.slice(0, colon)}:[redacted]${beforeQuery.slice(at)}`
      : beforeQuery
  if (query === undefined) return authority
  const parts = query.split('&').map((pair) => {
    const [key = ''] = split(pair, '=')
    return /pass/i.test(safeDecode(key)) ? `${key}=[redacted]` : pair
  })
  return `${authority}?${parts.join('&')}`
}

function split(text: string, separator: string): [string, string | undefined] {
  const index = text.indexOf(separator)
  return index === -1 ? [text, undefined] : [text.slice(0, index), text.slice(index + 1)]
}

function safeDecode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    // An unreadable key might be a password.
    return 'password'
  }
}
