import { addToHash, keywordAt } from './keywords.js'

/** The kinds of token that matter for telling a read from a write. */
export const TOKEN = {
  /** Nothing more, or nothing more that can be read with certainty: see `trouble`. */
  end: 0,
  /** An unquoted name or a keyword. */
  word: 1,
  /** A name in double quotes. */
  quoted: 2,
  /** A string of any spelling. */
  string: 3,
  /** A number or a parameter. */
  value: 4,
  /** One character of anything else; `::` is one token. */
  sign: 5,
} as const

/** One of the numbers in `TOKEN`. */
export type TokenKind = (typeof TOKEN)[keyof typeof TOKEN]

/** The `code` of the token `::`. */
export const CAST = 0x80

const WORD_START = 1
const WORD_PART = 2
const DIGIT = 4
const SPACE = 8

// What a character may be part of. Everything beyond ASCII is a letter to PostgreSQL.
const CLASS = new Uint8Array(128)
for (let code = 0x61; code <= 0x7a; code++) {
  CLASS[code] = WORD_START | WORD_PART
  CLASS[code - 0x20] = WORD_START | WORD_PART
}
for (let code = 0x30; code <= 0x39; code++) CLASS[code] = WORD_PART | DIGIT
CLASS[0x5f] = WORD_START | WORD_PART
CLASS[0x24] = WORD_PART
for (const code of [0x20, 0x09, 0x0a, 0x0b, 0x0c, 0x0d]) CLASS[code] = SPACE

// NAMEDATALEN less the zero byte.
const LONGEST_NAME = 63
const BACKSLASH = 0x5c
const QUOTE = 0x27
const DOUBLE_QUOTE = 0x22

/**
 * Splits SQL into tokens by the rules of PostgreSQL's own scanner (src/backend/parser/scan.l), each character being looked at a
 * bounded number of times. Where a server may read the text differently, depending on its settings, it stops and says so in
 * `trouble` rather than guess.
 */
export class SqlLexer {
  /** Where the token begins. */
  start = 0
  /** Where it ends. */
  end = 0
  /** Of a sign, its character or `CAST`; of a word, the number of the keyword that it is, or 0. */
  code = 0
  /** Why the rest cannot be read; undefined while all is well. */
  trouble: string | undefined
  readonly #text: string
  readonly #takesUnicodeNames: boolean
  // Whether the last token was E'…': a string after it, on another line, is part of it and has the same escapes.
  #afterEscapes = false

  /** Begins at the start of the text. Names in Unicode escapes are trouble, unless nobody will compare them. */
  constructor(text: string, takesUnicodeNames = false) {
    this.#text = text
    this.#takesUnicodeNames = takesUnicodeNames
    if (text.includes('\0')) this.trouble = 'a zero byte, where the server stops reading'
  }

  /** Moves to the next token and returns its kind. After `TOKEN.end` it stays there. */
  next(): TokenKind {
    if (this.trouble !== undefined) return TOKEN.end
    const text = this.#text
    const start = this.#skipSpace(text)
    this.start = start
    this.code = 0
    if (start === text.length) return TOKEN.end
    const code = text.charCodeAt(start)
    const afterEscapes = this.#afterEscapes
    this.#afterEscapes = false
    if (is(code, WORD_START)) return this.#word(text, start, code)
    if (is(code, DIGIT)) return this.#number(text, start)
    switch (code) {
      case QUOTE:
        return afterEscapes ? this.#escapes(text, start + 1) : this.#string(text, start + 1)
      case DOUBLE_QUOTE:
        return this.#quoted(text, start + 1)
      case 0x24 /* $ */:
        return this.#dollar(text, start)
      default: {
        const isCast = code === 0x3a /* : */ && text.charCodeAt(start + 1) === 0x3a
        this.code = isCast ? CAST : code
        this.end = isCast ? start + 2 : start + 1
        return TOKEN.sign
      }
    }
  }

  #skipSpace(text: string): number {
    let index = this.end
    for (;;) {
      const code = text.charCodeAt(index)
      if (code < 128 && (CLASS[code]! & SPACE) !== 0) {
        index++
      } else if (code === 0x2d /* - */ && text.charCodeAt(index + 1) === 0x2d) {
        index = endOfLine(text, index + 2)
      } else if (code === 0x2f /* / */ && text.charCodeAt(index + 1) === 0x2a /* * */) {
        index = endOfComment(text, index)
        if (index !== -1) continue
        this.#fail('a comment without an end')
        return text.length
      } else {
        return index
      }
    }
  }

  #word(text: string, start: number, first: number): TokenKind {
    let index = start
    let hash = 0
    let foreign = false
    for (let code = first; is(code, WORD_PART); code = text.charCodeAt(++index)) {
      if (code > 127) foreign = true
      // Digits and `$` have that bit already, an underscore becomes something that no keyword has.
      hash = addToHash(hash, code === 0x5f ? code : code | 0x20)
    }
    if (index === start + 1) {
      const next = text.charCodeAt(index)
      const letter = first | 0x20
      // A quote right behind one of these letters makes a literal: E'…', B'…', X'…', N'…', U&'…'.
      if (next === QUOTE) {
        if (letter === 0x65 /* e */) return this.#escapes(text, index + 1)
        const isPrefix =
          letter === 0x62 /* b */ || letter === 0x78 /* x */ || letter === 0x6e /* n */
        if (isPrefix) return this.#string(text, index + 1)
      }
      if (letter === 0x75 /* u */ && next === 0x26 /* & */) {
        const quote = text.charCodeAt(index + 1)
        if (quote === QUOTE) return this.#string(text, index + 2)
        if (quote === DOUBLE_QUOTE) {
          return this.#takesUnicodeNames
            ? this.#quoted(text, index + 2)
            : this.#fail('a name in Unicode escapes')
        }
      }
    }
    this.end = index
    this.code = foreign ? 0 : keywordAt(text, start, index, hash)
    return TOKEN.word
  }

  #string(text: string, from: number): TokenKind {
    for (let index = from; index < text.length; index++) {
      if (text.charCodeAt(index) !== QUOTE) continue
      // With standard_conforming_strings off that quote would not end the string.
      if (index > from && text.charCodeAt(index - 1) === BACKSLASH) {
        return this.#fail('a backslash before a quote, which servers read in two ways')
      }
      if (text.charCodeAt(index + 1) !== QUOTE) {
        this.end = index + 1
        return TOKEN.string
      }
      index++
    }
    return this.#fail('a string without an end')
  }

  #escapes(text: string, from: number): TokenKind {
    for (let index = from; index < text.length; index++) {
      const code = text.charCodeAt(index)
      if (code === BACKSLASH) {
        index++
      } else if (code === QUOTE) {
        if (text.charCodeAt(index + 1) !== QUOTE) {
          this.end = index + 1
          this.#afterEscapes = true
          return TOKEN.string
        }
        index++
      }
    }
    return this.#fail('a string without an end')
  }

  #quoted(text: string, from: number): TokenKind {
    for (let index = from; index < text.length; index++) {
      if (text.charCodeAt(index) !== DOUBLE_QUOTE) continue
      if (text.charCodeAt(index + 1) !== DOUBLE_QUOTE) {
        this.end = index + 1
        return TOKEN.quoted
      }
      index++
    }
    return this.#fail('a quoted name without an end')
  }

  #number(text: string, start: number): TokenKind {
    // Letters behind a number begin a word of their own, as servers before 15 read them; for later ones it is an error.
    let index = endOfDigits(text, start)
    if (text.charCodeAt(index) === 0x2e /* . */ && text.charCodeAt(index + 1) !== 0x2e) {
      index = endOfDigits(text, index + 1)
    }
    if ((text.charCodeAt(index) | 0x20) === 0x65 /* e */) {
      const sign = text.charCodeAt(index + 1)
      const digits = sign === 0x2b || sign === 0x2d ? index + 2 : index + 1
      if (is(text.charCodeAt(digits), DIGIT)) index = endOfDigits(text, digits)
    }
    this.end = index
    return TOKEN.value
  }

  #dollar(text: string, start: number): TokenKind {
    let index = start + 1
    if (is(text.charCodeAt(index), DIGIT)) {
      this.end = endOfDigits(text, index)
      return TOKEN.value
    }
    while (text.charCodeAt(index) !== 0x24 && is(text.charCodeAt(index), WORD_PART)) index++
    if (text.charCodeAt(index) !== 0x24) {
      this.code = 0x24
      this.end = start + 1
      return TOKEN.sign
    }
    const tag = text.slice(start, index + 1)
    const end = text.indexOf(tag, index + 1)
    if (end === -1) return this.#fail('a string without an end')
    this.end = end + tag.length
    return TOKEN.string
  }

  #fail(trouble: string): TokenKind {
    this.trouble = trouble
    this.end = this.#text.length
    return TOKEN.end
  }
}

/**
 * The name that stands there as the server compares names: an unquoted one in lower case, a quoted one without its quotes. Of names that
 * are longer than any, just enough to equal none.
 */
export function nameAt(text: string, start: number, end: number): string {
  if (end - start > 2 * LONGEST_NAME + 2) return text.slice(start, start + LONGEST_NAME + 1)
  if (text.charCodeAt(start) === DOUBLE_QUOTE) {
    return text.slice(start + 1, end - 1).replaceAll('""', '"')
  }
  const word = text.slice(start, end)
  for (let index = start; index < end; index++) {
    // Beyond ASCII JavaScript folds what the server does not: U+212A would become a `k`.
    if (text.charCodeAt(index) > 127) return word
  }
  return word.toLowerCase()
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

function endOfDigits(text: string, from: number): number {
  let index = from
  while (is(text.charCodeAt(index), DIGIT)) index++
  return index
}

function is(code: number, what: number): boolean {
  if (code < 128) return (CLASS[code]! & what) !== 0
  // Behind the end of the text there is NaN, which is nothing.
  return code >= 128 && (what & (WORD_START | WORD_PART)) !== 0
}
