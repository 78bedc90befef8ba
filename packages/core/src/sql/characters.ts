/** Begins a name. */
export const WORD_START = 1
/** Goes on with a name. */
export const WORD_PART = 2
/** A decimal digit. */
export const DIGIT = 4
/** White space. */
export const SPACE = 8
/** Part of an operator. */
export const OPERATOR_PART = 16
/** Part of an operator, and no part of one of the SQL standard. */
export const OPERATOR_WHOLE = 32

const QUOTE = 0x27

const CLASS = new Uint8Array(128)
for (let code = 0x61; code <= 0x7a; code++) {
  CLASS[code] = WORD_START | WORD_PART
  CLASS[code - 0x20] = WORD_START | WORD_PART
}
for (let code = 0x30; code <= 0x39; code++) CLASS[code] = WORD_PART | DIGIT
CLASS[0x5f] = WORD_START | WORD_PART
CLASS[0x24] = WORD_PART
for (const code of [0x20, 0x09, 0x0a, 0x0b, 0x0c, 0x0d]) CLASS[code] = SPACE
for (const sign of '+-*/%<>=') CLASS[sign.charCodeAt(0)] = OPERATOR_PART
for (const sign of '~!@#^&|`?%') CLASS[sign.charCodeAt(0)] = OPERATOR_PART | OPERATOR_WHOLE

/**
 * Whether a character has one of these properties. Every character beyond ASCII is a letter to
 * PostgreSQL; NaN is nothing.
 */
export function is(code: number, properties: number): boolean {
  if (code < 128) return (CLASS[code]! & properties) !== 0
  return code >= 128 && (properties & (WORD_START | WORD_PART)) !== 0
}

/** Where the line that `from` is on ends. */
export function endOfLine(text: string, from: number): number {
  let index = from
  while (index < text.length) {
    const code = text.charCodeAt(index)
    if (code === 0x0a || code === 0x0d) return index
    index++
  }
  return text.length
}

/** Where the comment that begins at `from` ends, with those inside it; -1 if it does not. */
export function endOfComment(text: string, from: number): number {
  let depth = 1
  let index = from + 2
  while (index < text.length) {
    const code = text.charCodeAt(index)
    if (code === 0x2a /* * */ && text.charCodeAt(index + 1) === 0x2f) {
      index += 2
      depth--
      if (depth === 0) return index
    } else if (code === 0x2f /* / */ && text.charCodeAt(index + 1) === 0x2a) {
      index += 2
      depth++
    } else {
      index++
    }
  }
  return -1
}

/** Where a string ends that begins before `from`, with two quotes for one; -1 if it does not. */
export function endOfQuotes(text: string, from: number): number {
  let index = from
  for (;;) {
    const quote = text.indexOf("'", index)
    if (quote === -1) return -1
    if (text.charCodeAt(quote + 1) !== QUOTE) return quote + 1
    index = quote + 2
  }
}

/** As `endOfQuotes`, where a backslash takes the next character with it. */
export function endOfEscapes(text: string, from: number): number {
  for (let index = from; index < text.length; index++) {
    const code = text.charCodeAt(index)
    if (code === 0x5c /* \ */) {
      index++
    } else if (code === QUOTE) {
      if (text.charCodeAt(index + 1) !== QUOTE) return index + 1
      index++
    }
  }
  return -1
}

/** As `endOfQuotes`, for B'…' and X'…', in which two quotes are none. */
export function endOfBits(text: string, from: number): number {
  return text.indexOf("'", from) + 1 || -1
}

/**
 * Where the next part of a string begins that ends at `end`: behind a quote, if nothing but white
 * space with a line break and `--` comments stands between; -1 if there is none.
 */
export function startOfContinuation(text: string, end: number): number {
  let hasNewline = false
  let index = end
  for (;;) {
    const code = text.charCodeAt(index)
    if (is(code, SPACE)) {
      if (code === 0x0a || code === 0x0d) hasNewline = true
      index++
    } else if (code === 0x2d /* - */ && text.charCodeAt(index + 1) === 0x2d) {
      index = endOfLine(text, index + 2)
    } else {
      return hasNewline && code === QUOTE ? index + 1 : -1
    }
  }
}
