import { parseBoolean } from './parse-boolean.js'
import { parseInteger } from './parse-integer.js'
import { DAY_MS, daysSince1970, parseTimestamptz } from './parse-timestamp.js'
import { textAt } from './text-at.js'
import type { TypeParser } from './type-parser.js'

/** Makes a value of the bytes of its text, which lie from `start` to `end`. */
export type BytesParser = (buffer: Buffer, start: number, end: number) => unknown

const ZERO = 48
const PLUS = 43
const MINUS = 45
const DOT = 46
const COLON = 58
const SPACE = 32
const TRUE = 116
// With more digits a sum may not be exact.
const MOST_DIGITS = 15

const BY_PARSER: ReadonlyMap<TypeParser, BytesParser> = new Map<TypeParser, BytesParser>([
  [parseInteger, integerAt],
  [parseBoolean, booleanAt],
  [parseTimestamptz, timestamptzAt],
])

/**
 * What makes of the bytes of a text the very value that a parser makes of the text, without making
 * the text first; undefined if there is nothing like that for the parser.
 */
export function bytesParserOf(parser: TypeParser | undefined): BytesParser | undefined {
  return parser && BY_PARSER.get(parser)
}

function integerAt(buffer: Buffer, start: number, end: number): number {
  const isNegative = buffer[start] === MINUS
  const first = isNegative ? start + 1 : start
  // Of an empty text the byte is not its own.
  if (first >= end || end - first > MOST_DIGITS) return parseInteger(textAt(buffer, start, end))
  let number = 0
  for (let at = first; at < end; at++) {
    const digit = buffer[at]! - ZERO
    if (digit < 0 || digit > 9) return parseInteger(textAt(buffer, start, end))
    number = number * 10 + digit
  }
  return isNegative ? -number : number
}

function booleanAt(buffer: Buffer, start: number, end: number): boolean {
  return end - start === 1 && buffer[start] === TRUE
}

/** Reads `2026-01-31 23:59:59.999999+00` itself, and leaves any other form to the parser. */
function timestamptzAt(buffer: Buffer, start: number, end: number): unknown {
  const time = instantAt(buffer, start, end)
  return Number.isNaN(time) ? parseTimestamptz(textAt(buffer, start, end)) : new Date(time)
}

/** In milliseconds since 1970; NaN for any other form than the usual one. */
function instantAt(buffer: Buffer, start: number, end: number): number {
  const length = end - start
  const offset = end - 3
  if (length < 22 || length > 29 || buffer[start + 4] !== MINUS) return Number.NaN
  const year = twoDigits(buffer, start) * 100 + twoDigits(buffer, start + 2)
  const month = twoDigits(buffer, start + 5)
  const day = twoDigits(buffer, start + 8)
  const hour = twoDigits(buffer, start + 11)
  const minute = twoDigits(buffer, start + 14)
  const second = twoDigits(buffer, start + 17)
  const zone = twoDigits(buffer, offset + 1)
  const sign = buffer[offset]
  const millisecond = millisecondsAt(buffer, start + 19, offset)
  const isUsual =
    year > 0 &&
    month > 0 &&
    month < 13 &&
    day > 0 &&
    day < 32 &&
    hour < 24 &&
    minute < 60 &&
    second < 60 &&
    (sign === PLUS || sign === MINUS) &&
    buffer[start + 7] === MINUS &&
    buffer[start + 10] === SPACE &&
    buffer[start + 13] === COLON &&
    buffer[start + 16] === COLON
  if (!isUsual) return Number.NaN
  const time = hour * 3_600_000 + minute * 60_000 + second * 1_000 + millisecond
  const shift = sign === PLUS ? zone * 3_600_000 : -zone * 3_600_000
  return daysSince1970(year, month, day) * DAY_MS + time - shift
}

/** Reads `.123456`, or nothing; digits below the millisecond are dropped. */
function millisecondsAt(buffer: Buffer, start: number, end: number): number {
  if (start === end) return 0
  if (buffer[start] !== DOT || end - start < 2) return Number.NaN
  let millisecond = 0
  let scale = 100
  for (let at = start + 1; at < end; at++) {
    const digit = buffer[at]! - ZERO
    if (digit < 0 || digit > 9) return Number.NaN
    if (at - start < 4) millisecond += digit * scale
    scale /= 10
  }
  return millisecond
}

function twoDigits(buffer: Buffer, at: number): number {
  const tens = buffer[at]! - ZERO
  const ones = buffer[at + 1]! - ZERO
  return tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9 ? tens * 10 + ones : Number.NaN
}
