import { DIGIT, is, WORD_PART, WORD_START } from './characters.js'

const UNDERSCORE = 0x5f
const DOT = 0x2e

/** Where the number ends that begins at `start`, by the rules of PostgreSQL 16 and later. */
export function endOfNumber(text: string, start: number): number {
  const end = text.charCodeAt(start) === 0x30 ? endOfRadix(text, start + 1) : start
  return end > start ? end : endOfDecimal(text, start, endOfGrouped)
}

/**
 * As `endOfNumber`, by the rules of PostgreSQL 15 and earlier: without underscores and without
 * `0x`, `0o`, `0b`.
 */
export function endOfOldNumber(text: string, start: number): number {
  return endOfDecimal(text, start, endOfDigits)
}

/** Whether PostgreSQL 15 and later refuse what stands there as trailing junk after a number. */
export function isJunk(text: string, start: number, end: number): boolean {
  const next = text.charCodeAt(end)
  if (is(next, WORD_START)) return true
  if (!is(next, WORD_PART)) return false
  // `1_0$` and `0b12` have a name right behind a number: `_0$`, `b12`. `10$` has none.
  for (let index = end - 1; index > start; index--) {
    const code = text.charCodeAt(index)
    if (!is(code, WORD_PART)) return false
    if (is(code, WORD_START)) return true
  }
  return false
}

/** Behind the digits that begin at `from`. */
export function endOfDigits(text: string, from: number): number {
  let index = from
  while (is(text.charCodeAt(index), DIGIT)) index++
  return index
}

function endOfDecimal(
  text: string,
  start: number,
  endOfInteger: (text: string, from: number) => number,
): number {
  let index = endOfInteger(text, start)
  if (text.charCodeAt(index) === DOT) {
    // `1..` is a number and the sign of a range.
    if (index > start && text.charCodeAt(index + 1) === DOT) return index
    index = endOfInteger(text, index + 1)
  }
  if ((text.charCodeAt(index) | 0x20) !== 0x65 /* e */) return index
  const sign = text.charCodeAt(index + 1)
  const digits = sign === 0x2b || sign === 0x2d ? index + 2 : index + 1
  return is(text.charCodeAt(digits), DIGIT) ? endOfInteger(text, digits) : index
}

/** Behind digits with single underscores between them. */
function endOfGrouped(text: string, from: number): number {
  let index = endOfDigits(text, from)
  if (index === from) return from
  while (text.charCodeAt(index) === UNDERSCORE && is(text.charCodeAt(index + 1), DIGIT)) {
    index = endOfDigits(text, index + 1)
  }
  return index
}

/** Behind `x1F`, `o17` or `b11`; -1 if none of them stands there. */
function endOfRadix(text: string, from: number): number {
  const letter = text.charCodeAt(from) | 0x20
  const radix = letter === 0x78 ? 16 : letter === 0x6f ? 8 : letter === 0x62 ? 2 : 0
  if (radix === 0) return -1
  let index = from + 1
  for (;;) {
    const at = text.charCodeAt(index) === UNDERSCORE ? index + 1 : index
    if (!isDigitOf(text.charCodeAt(at), radix)) return index > from + 1 ? index : -1
    index = at + 1
  }
}

function isDigitOf(code: number, radix: number): boolean {
  if (code >= 0x30 && code <= 0x39) return code - 0x30 < radix
  const letter = code | 0x20
  return radix === 16 && letter >= 0x61 && letter <= 0x66
}
