import {
  DIGIT,
  endOfBits,
  endOfComment,
  endOfEscapes,
  endOfLine,
  endOfQuotes,
  is,
  OPERATOR_PART,
  OPERATOR_WHOLE,
  SPACE,
  startOfContinuation,
  WORD_PART,
  WORD_START,
} from './characters.js'
import { endOfDigits, endOfNumber, endOfOldNumber, isJunk } from './numbers.js'
import { addToHash } from './word-table.js'

/** The kinds of token. */
export const TOKEN = {
  /** Nothing more, or nothing more that can be read with certainty: see `trouble`. */
  end: 0,
  /** An unquoted name or a keyword. */
  word: 1,
  /** A name in double quotes, `U&"…"` included. */
  quoted: 2,
  /**
   * A string of any spelling, with all its parts on further lines. The letter of `N'…'` is a word
   * before it.
   */
  string: 3,
  /** A number or a parameter. */
  value: 4,
  /** Anything else: one character, or an operator. */
  sign: 5,
} as const

/** One of the numbers in `TOKEN`. */
export type TokenKind = (typeof TOKEN)[keyof typeof TOKEN]

/** The `code` of signs of more than one character. */
export const SIGN = {
  /** `::` */
  cast: 0x80,
  /** `=>` or `:=`, between the name of an argument and its value. */
  names: 0x81,
  /** `..` */
  range: 0x82,
  /** Any other operator. */
  operator: 0x83,
} as const

/**
 * What a backslash is in a string without a prefix: `literal` where `standard_conforming_strings`
 * is on, `escape` where it is off. With `either` the lexer stops where the two differ.
 */
export type Backslashes = 'literal' | 'escape' | 'either'

// NAMEDATALEN: the server refuses operators of that length.
const TOO_LONG = 64
const LARGEST_PARAMETER = 0x7fffffff

const BACKSLASH = 0x5c
const QUOTE = 0x27
const DOUBLE_QUOTE = 0x22
const DOLLAR = 0x24
const DOT = 0x2e
const COLON = 0x3a
const EQUALS = 0x3d

/**
 * Splits SQL into tokens by the rules of PostgreSQL's own scanner (src/backend/parser/scan.l), in
 * linear time. Where server versions differ it reads what the oldest accepts and newer ones refuse
 * as the oldest does; a vertical tab is a space, as since PostgreSQL 16.
 */
export class SqlLexer {
  /** Where the token begins. */
  start = 0
  /** Where it ends. */
  end: number
  /** Of a sign, its character or one of `SIGN`; of others 0. */
  code = 0
  /**
   * Of a word its hash in lower case, for a `WordTable`; 0 if it holds a character beyond ASCII.
   */
  hash = 0
  /**
   * Why the rest cannot be read: servers refuse the text, or would read it in two ways. Undefined
   * while all is well.
   */
  trouble: string | undefined
  /**
   * Whether newer servers refuse something that was read, such as letters right behind a number.
   */
  junk = false
  readonly #text: string
  readonly #backslashes: Backslashes
  // The run of operator characters that was met last: where it ends, its last character that only
  // an operator of PostgreSQL's own kind may hold, and its last one other than + and -. Remembered,
  // because `+-+-+-…` is read as one token each.
  #runEnd = -1
  #runSpecial = -1
  #runOther = -1

  /** Begins at `from`, by default the start of the text. */
  constructor(text: string, backslashes: Backslashes = 'literal', from = 0) {
    this.#text = text
    this.#backslashes = backslashes
    this.end = from
  }

  /** Moves to the next token and returns its kind. After `TOKEN.end` it stays there. */
  next(): TokenKind {
    if (this.trouble !== undefined) return TOKEN.end
    const text = this.#text
    const start = this.#skipSpace(text)
    this.start = start
    this.code = 0
    if (start >= text.length) {
      this.end = text.length
      return TOKEN.end
    }
    const code = text.charCodeAt(start)
    if (is(code, WORD_START)) return this.#word(text, start, code)
    if (is(code, DIGIT)) return this.#number(text, start)
    switch (code) {
      case QUOTE:
        return this.#string(text, start + 1)
      case DOUBLE_QUOTE:
        return this.#quoted(text, start + 1)
      case DOLLAR:
        return this.#dollar(text, start)
      case DOT:
        if (is(text.charCodeAt(start + 1), DIGIT)) return this.#number(text, start)
        return this.#sign(start, text.charCodeAt(start + 1) === DOT ? SIGN.range : 0, code)
      case COLON: {
        const next = text.charCodeAt(start + 1)
        const pair = next === COLON ? SIGN.cast : next === EQUALS ? SIGN.names : 0
        return this.#sign(start, pair, code)
      }
      case 0:
        // The protocol ends a text with it. One inside a string, a comment or a quoted name leaves
        // that without an end, which the server refuses; here it is read on.
        return this.#fail('a zero byte, where the server stops reading')
      default:
        if (is(code, OPERATOR_PART)) return this.#operator(text, start, code)
        return this.#sign(start, 0, code)
    }
  }

  #skipSpace(text: string): number {
    let index = this.end
    for (;;) {
      const code = text.charCodeAt(index)
      if (is(code, SPACE)) {
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
      hash = addToHash(hash, code >= 0x41 && code <= 0x5a ? code | 0x20 : code)
    }
    if (index === start + 1) {
      const next = text.charCodeAt(index)
      const letter = first | 0x20
      if (next === QUOTE) {
        if (letter === 0x65 /* e */) return this.#parts(text, index + 1, endOfEscapes)
        if (letter === 0x62 /* b */ || letter === 0x78 /* x */) {
          return this.#parts(text, index + 1, endOfBits)
        }
      }
      if (letter === 0x75 /* u */ && next === 0x26 /* & */) {
        const quote = text.charCodeAt(index + 1)
        if (quote === QUOTE) return this.#unicode(text, index + 2)
        if (quote === DOUBLE_QUOTE) return this.#quoted(text, index + 2)
      }
    }
    this.end = index
    this.hash = foreign ? 0 : hash
    return TOKEN.word
  }

  #unicode(text: string, from: number): TokenKind {
    if (this.#backslashes === 'escape') {
      return this.#fail('a string in Unicode escapes, which needs standard_conforming_strings')
    }
    return this.#parts(text, from, endOfQuotes)
  }

  #string(text: string, from: number): TokenKind {
    switch (this.#backslashes) {
      case 'literal':
        return this.#parts(text, from, endOfQuotes)
      case 'escape':
        return this.#parts(text, from, endOfEscapes)
      case 'either':
        return this.#parts(text, from, (whole, begin) => this.#endOfEither(whole, begin))
    }
  }

  /** As `endOfQuotes`, if a backslash as an escape would make no difference. */
  #endOfEither(text: string, from: number): number {
    const end = endOfQuotes(text, from)
    let quote = text.indexOf("'", from)
    while (quote !== -1 && (end === -1 || quote < end)) {
      let before = quote
      while (before > from && text.charCodeAt(before - 1) === BACKSLASH) before--
      if ((quote - before) % 2 === 1) {
        this.#fail('a backslash before a quote, which servers read in two ways')
        return -1
      }
      quote = text.indexOf("'", quote + 1)
    }
    return end
  }

  /** A string whose first part begins at `from`, and its parts on further lines. */
  #parts(text: string, from: number, endOfPart: (text: string, from: number) => number): TokenKind {
    let end = endOfPart(text, from)
    while (end !== -1) {
      const next = startOfContinuation(text, end)
      if (next === -1) {
        this.end = end
        return TOKEN.string
      }
      end = endOfPart(text, next)
    }
    return this.#fail(this.trouble ?? 'a string without an end')
  }

  #quoted(text: string, from: number): TokenKind {
    if (text.charCodeAt(from) === DOUBLE_QUOTE && text.charCodeAt(from + 1) !== DOUBLE_QUOTE) {
      return this.#fail('a quoted name of no characters')
    }
    let index = from
    for (;;) {
      const quote = text.indexOf('"', index)
      if (quote === -1) return this.#fail('a quoted name without an end')
      if (text.charCodeAt(quote + 1) !== DOUBLE_QUOTE) {
        this.end = quote + 1
        return TOKEN.quoted
      }
      index = quote + 2
    }
  }

  #number(text: string, start: number): TokenKind {
    let end = endOfDigits(text, start)
    const next = text.charCodeAt(end)
    // Most numbers are nothing but digits.
    if (end > start && next !== DOT && !is(next, WORD_PART)) {
      this.end = end
      return TOKEN.value
    }
    end = endOfNumber(text, start)
    if (isJunk(text, start, end)) {
      // An error since PostgreSQL 15. Servers before it begin a new token there.
      this.junk = true
      end = endOfOldNumber(text, start)
    }
    this.end = end
    return TOKEN.value
  }

  #dollar(text: string, start: number): TokenKind {
    let index = start + 1
    if (is(text.charCodeAt(index), DIGIT)) {
      this.end = endOfDigits(text, index)
      if (Number(text.slice(index, this.end)) > LARGEST_PARAMETER) this.junk = true
      return TOKEN.value
    }
    while (text.charCodeAt(index) !== DOLLAR && is(text.charCodeAt(index), WORD_PART)) index++
    if (text.charCodeAt(index) !== DOLLAR) return this.#sign(start, 0, DOLLAR)
    const tag = text.slice(start, index + 1)
    const end = text.indexOf(tag, index + 1)
    if (end === -1) return this.#fail('a string without an end')
    this.end = end + tag.length
    return TOKEN.string
  }

  #operator(text: string, start: number, code: number): TokenKind {
    if (start >= this.#runEnd) this.#readRun(text, start)
    const end = this.#runEnd
    // A + or - at the end belongs to it only if it is no operator of the standard.
    const isWhole = this.#runSpecial >= start || this.#runOther === end - 1
    this.end = isWhole ? end : Math.max(this.#runOther, start) + 1
    const length = this.end - start
    if (length >= TOO_LONG) return this.#fail('an operator that is too long')
    if (length === 1) this.code = code
    else this.code = length === 2 && isArrow(text, start) ? SIGN.names : SIGN.operator
    return TOKEN.sign
  }

  #readRun(text: string, start: number): void {
    let index = start
    this.#runSpecial = -1
    this.#runOther = -1
    for (let code = text.charCodeAt(index); is(code, OPERATOR_PART); ) {
      const next = text.charCodeAt(index + 1)
      // A comment begins inside it.
      if (code === 0x2d /* - */ && next === 0x2d) break
      if (code === 0x2f /* / */ && next === 0x2a /* * */) break
      if (is(code, OPERATOR_WHOLE)) this.#runSpecial = index
      if (code !== 0x2b /* + */ && code !== 0x2d) this.#runOther = index
      index++
      code = next
    }
    this.#runEnd = index
  }

  #sign(start: number, pair: number, code: number): TokenKind {
    this.code = pair === 0 ? code : pair
    this.end = pair === 0 ? start + 1 : start + 2
    return TOKEN.sign
  }

  #fail(trouble: string): TokenKind {
    this.trouble = trouble
    this.end = this.#text.length
    return TOKEN.end
  }
}

function isArrow(text: string, start: number): boolean {
  return text.charCodeAt(start) === EQUALS && text.charCodeAt(start + 1) === 0x3e /* > */
}
