import { MAX_MS } from './clock.js'
import { whyNotEncodable } from './encodable.js'
import { describeText, looksSecret, showName, showText } from './printable.js'

/** The nearest known name by edit distance, if it is near enough to be a typing error. */
export function nearestName(name: string, known: Iterable<string>): string | undefined {
  let best: string | undefined
  let bestDistance = Math.max(2, Math.floor(name.length / 3)) + 1
  for (const candidate of known) {
    // A beginning is nearer than any slip of the keys.
    if (name.length > 1 && candidate.startsWith(name)) return candidate
    const distance = editDistance(name.toLowerCase(), candidate.toLowerCase(), bestDistance)
    if (distance < bestDistance) {
      best = candidate
      bestDistance = distance
    }
  }
  return best
}

function editDistance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) >= limit) return limit
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i++) {
    const current = [i]
    for (let j = 1; j <= b.length; j++) {
      const substitution = previous[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)
      current.push(Math.min(previous[j]! + 1, current[j - 1]! + 1, substitution))
    }
    previous = current
  }
  return previous[b.length]!
}

type KnownNames = Pick<ReadonlySet<string>, 'has' | 'keys'>

/**
 * Refuses what is no object, and option names that do not exist. Throws `TypeError` that names the
 * function, the option and the nearest known name, or what the option of another library is called
 * here.
 */
export function refuseUnknownOptions(
  where: string,
  options: object,
  known: KnownNames,
  others?: ReadonlyMap<string, string>,
): void {
  if (typeof options !== 'object' || options === null) {
    throw new TypeError(`${where}: options must be an object, got ${describeValue(options)}`)
  }
  for (const name of Object.keys(options)) {
    if (!known.has(name)) throw unknownOption(where, name, known, others?.get(name))
  }
}

function unknownOption(where: string, name: string, known: KnownNames, other?: string): TypeError {
  const what = `${where}: unknown option ${showName(name)}`
  if (other !== undefined) return new TypeError(`${what}; here it is ${other}`)
  const near = nearestName(name, known.keys())
  return new TypeError(
    `${what}${near ? `; did you mean "${near}"?` : `; known: ${[...known.keys()].join(', ')}`}`,
  )
}

/** Checks the value of one option. Throws `TypeError` or `RangeError` that names both. */
export type OptionCheck = (where: string, value: unknown, name: string) => void

/** The options that a call knows, each with its check. */
export type OptionChecks = ReadonlyMap<string, OptionCheck>

/** Makes the table of the options that a call knows. */
export function optionChecks(checks: Readonly<Record<string, OptionCheck>>): OptionChecks {
  return new Map(Object.entries(checks))
}

/**
 * Checks that options are an object that has known names only, and each of its values that is not
 * undefined. Throws `TypeError` or `RangeError` naming option and value.
 */
export function checkOptions(where: string, options: object, checks: OptionChecks): void {
  // What an object of a class inherits is no key of its own, and is read all the same.
  const isPlain = options != null && Object.getPrototypeOf(options) === Object.prototype
  if (!isPlain) refuseUnknownOptions(where, options, checks)
  for (const name of isPlain ? Object.keys(options) : checks.keys()) {
    const check = checks.get(name)
    if (check === undefined) throw unknownOption(where, name, checks)
    const value = (options as Readonly<Record<string, unknown>>)[name]
    if (value !== undefined) check(where, value, name)
  }
}

/**
 * Shows a wrong value in a message: numbers and short words as they are, everything else by its
 * kind. What could be a URL, a password or a key is never repeated.
 */
export function describeValue(value: unknown): string {
  switch (typeof value) {
    case 'string':
      return showText(value)
    case 'bigint':
      return value < 10n ** 12n && value > -(10n ** 12n) ? `${value}n` : 'a bigint'
    case 'function':
      return 'a function'
    case 'symbol':
      return 'a symbol'
    case 'object':
      if (value === null) return 'null'
      return Array.isArray(value) ? 'an array' : 'an object'
    default:
      return String(value)
  }
}

/**
 * Shows a name that a caller has given, such as the id of a tenant or of a node; anything but a
 * string by its kind.
 */
export function describeName(name: unknown): string {
  return typeof name === 'string' ? showName(name) : describeValue(name)
}

/**
 * Checks a text that shows in messages, events and statistics: a non-empty string without NUL that
 * does not look like a URL with a password, a list of keywords or a key. Throws `TypeError` that
 * does not repeat it.
 */
export function checkShownText(where: string, name: string, value: unknown): string {
  if (typeof value !== 'string' || value === '') {
    throw new TypeError(`${where}: ${name} must be a non-empty string, got ${describeValue(value)}`)
  }
  const why = whyNotEncodable(value)
  if (why !== undefined) throw new TypeError(`${where}: ${name} ${why}`)
  if (looksSecret(value)) {
    throw new TypeError(
      `${where}: ${name} shows in messages and must not hold a secret, got ${describeText(value)}`,
    )
  }
  return value
}

/** What a numeric option accepts. */
export interface NumberRule {
  /** Smallest value. */
  min: number
  /** Largest value; `Infinity` allows `Infinity` itself. */
  max: number
  /** Whether only whole numbers are accepted. */
  integer?: boolean
}

/**
 * Checks a numeric option. Throws `TypeError` for a wrong type and `RangeError` for a wrong value,
 * both naming option and value.
 */
export function checkNumber(where: string, name: string, value: unknown, rule: NumberRule): number {
  if (typeof value !== 'number') {
    throw new TypeError(`${where}: ${name} must be a number, got ${describeValue(value)}`)
  }
  const whole = rule.integer === true && Number.isFinite(value) && !Number.isInteger(value)
  if (Number.isNaN(value) || value < rule.min || value > rule.max || whole) {
    const kind = rule.integer === true ? 'a whole number' : 'a number'
    const upper =
      rule.max === Number.POSITIVE_INFINITY
        ? `of at least ${rule.min}`
        : `from ${rule.min} to ${rule.max}`
    throw new RangeError(`${where}: ${name} must be ${kind} ${upper}, got ${value}`)
  }
  return value
}

/** Checks an option that is one of a few words. Throws `TypeError` that lists them. */
export function checkWord<Word extends string>(
  where: string,
  name: string,
  value: unknown,
  words: readonly Word[],
): Word {
  if (!words.includes(value as Word)) {
    throw new TypeError(
      `${where}: ${name} must be one of ${words.map((word) => `"${word}"`).join(', ')}, got ${describeValue(value)}`,
    )
  }
  return value as Word
}

/** Checks a boolean option. Throws `TypeError` naming option and value. */
export function checkBoolean(where: string, name: string, value: unknown): boolean {
  if (typeof value !== 'boolean') {
    throw new TypeError(`${where}: ${name} must be true or false, got ${describeValue(value)}`)
  }
  return value
}

/** Checks a `signal`. */
export function checkSignal(where: string, signal: unknown): void {
  if (signal === undefined || signal instanceof AbortSignal) return
  throw new TypeError(`${where}: signal must be an AbortSignal, got ${describeValue(signal)}`)
}

/** Checks a `timeoutMs`. 0 is refused: a call that may take no time cannot succeed. */
export function checkTimeout(where: string, timeoutMs: unknown): void {
  if (typeof timeoutMs === 'number' && timeoutMs > 0 && timeoutMs <= MAX_MS) return
  if (typeof timeoutMs !== 'number') {
    throw new TypeError(`${where}: timeoutMs must be a number, got ${describeValue(timeoutMs)}`)
  }
  throw new RangeError(
    `${where}: timeoutMs must be above 0 and at most ${MAX_MS}, got ${timeoutMs}`,
  )
}

/** Checks an option or an argument that is a function. Throws `TypeError`. */
export function checkFunction(where: string, value: unknown, name: string): void {
  if (typeof value === 'function') return
  throw new TypeError(`${where}: ${name} must be a function, got ${describeValue(value)}`)
}
