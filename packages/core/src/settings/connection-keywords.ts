/**
 * Whether the text has the other form that libpq takes, keywords with their values:
 * `host=a dbname=app`.
 */
export function isKeywordText(text: string): boolean {
  return /^\s*[a-z_]+\s*=/.test(text)
}

/**
 * Takes keywords and values apart: names, values with `\\` before what would end them, or values in
 * quotes; empty ones are left out. Calls `fail` with what is wrong, which never holds a part of the
 * text, because it may be a secret.
 */
export function keywordsOf(
  text: string,
  fail: (what: string) => never,
): [name: string, value: string][] {
  const pairs: [string, string][] = []
  let at = skipBlank(text, 0)
  while (at < text.length) {
    const equals = text.indexOf('=', at)
    const name = equals === -1 ? '' : text.slice(at, equals).trimEnd()
    // An unquoted blank in a value, most often a password, looks like this.
    if (!/^[A-Za-z_]+$/.test(name)) {
      return fail(`a keyword is not followed by "="; put values with blanks into single quotes`)
    }
    const [value, end] = readValue(text, skipBlank(text, equals + 1), fail)
    if (value !== '') pairs.push([name, value])
    at = skipBlank(text, end)
  }
  return pairs
}

/** Writes keywords and values as the URL that says the same. Calls `fail` as `keywordsOf` does. */
export function urlOfKeywords(text: string, fail: (what: string) => never): string {
  const pairs = keywordsOf(text, fail).map(
    ([name, value]) => `${name}=${encodeURIComponent(value)}`,
  )
  return `postgres://?${pairs.join('&')}`
}

function skipBlank(text: string, from: number): number {
  let at = from
  while (at < text.length && isBlank(text[at]!)) at++
  return at
}

function isBlank(character: string): boolean {
  return character === ' ' || (character >= '\t' && character <= '\r')
}

/** The value that begins here, and where it ends. */
function readValue(
  text: string,
  from: number,
  fail: (what: string) => never,
): [value: string, end: number] {
  const isQuoted = text[from] === "'"
  const ends = (character: string): boolean => (isQuoted ? character === "'" : isBlank(character))
  let value = ''
  let at = isQuoted ? from + 1 : from
  for (; at < text.length && !ends(text[at]!); at++) {
    if (text[at] === '\\' && at + 1 < text.length) at++
    value += text[at]
  }
  if (!isQuoted) return [value, at]
  if (at >= text.length) return fail('a quoted value does not end')
  const after = text[at + 1]
  if (after !== undefined && !isBlank(after)) return fail('something follows a quoted value')
  return [value, at + 1]
}
