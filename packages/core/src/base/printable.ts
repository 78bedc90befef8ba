// Control characters, line separators, and what turns the direction of a text round.
const UNPRINTABLE = /[\p{Cc}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069]/gu

/**
 * A text that may hold the words of a stranger, such as a server that has not proved itself yet,
 * with every control character escaped as in JSON. Otherwise they could forge a line of a log or
 * drive the terminal on which it is read.
 */
export function printable(text: string): string {
  return text.replace(
    UNPRINTABLE,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

// A URL, a key or certificate, or a password among the keywords of a connection.
const SECRET = /:\/\/|-----BEGIN|pass\w*\s*=/i
const WORDS = /^\p{L}+(?:[ _-]\p{L}+){0,3}$/u
const NUMBER = /^[+-]?\d{1,12}(?:\.\d{1,6})?(?: ?[a-z%]{1,3})?$/i
const TOO_SHORT_FOR_A_SECRET = /^[\w.-]{1,4}$/
const LONGEST_WORDS = 24
const LONGEST_NAME = 40

/**
 * Whether a text looks like something that holds a secret: a URL, the keywords of a connection with
 * a password, or a key. Such a text is never repeated, and is no name for anything.
 */
export function looksSecret(text: string): boolean {
  return SECRET.test(text)
}

/** What kind of text it is, for a message that must not repeat it. */
export function describeText(text: string): string {
  if (text.includes('-----BEGIN')) return 'PEM text'
  if (/^\s*["']?[\w+-]+:\/\//.test(text)) return 'a URL'
  if (/^\s*\w+\s*=/.test(text)) return 'keywords of a connection'
  return `a text of ${text.length} characters`
}

/**
 * Shows a wrong text in a message if nothing in it can be a secret: a number, or a few short words.
 * A password is often given in the place of something else, and looks like any other text, so that
 * the rest is only described.
 */
export function showText(text: string): string {
  const isPlain =
    NUMBER.test(text) ||
    TOO_SHORT_FOR_A_SECRET.test(text) ||
    (text.length <= LONGEST_WORDS && WORDS.test(text))
  return isPlain || text === '' ? JSON.stringify(text) : describeText(text)
}

/**
 * Shows a name that a caller has given to something, such as a tenant's id: whole if it is short,
 * and never if it looks like a secret.
 */
export function showName(name: string): string {
  return name.length > LONGEST_NAME || looksSecret(name) ? describeText(name) : JSON.stringify(name)
}
