/** Milliseconds of a day. */
export const DAY_MS = 86_400_000
// What a Date can hold, on either side of 1970.
const FARTHEST_MS = 8.64e15
const ZERO = 48
const PLUS = 43
const MINUS = 45
const DOT = 46
const COLON = 58
const SPACE = 32

// What was read last. Parsers run to their end one after the other, and a row may have many
// timestamps: an object for each reading would be most of its cost.
let year = 0
let month = 0
let day = 0
let hour = 0
let minute = 0
let second = 0
let millisecond = 0
/** Where the reading stopped in the text. */
let at = 0

/**
 * Makes a `Date` of a `timestamptz` in ISO form, and the numbers ±Infinity of `infinity` and
 * `-infinity`. Digits below the millisecond are dropped. What no `Date` can hold, and what another
 * DateStyle wrote, stays text.
 */
export function parseTimestamptz(text: string): Date | number | string {
  if (!readDateAndTime(text)) return infinityOr(text)
  const offset = readOffset(text)
  if (Number.isNaN(offset) || !readEra(text)) return text
  const time = hour * 3_600_000 + minute * 60_000 + second * 1_000 + millisecond
  const instant = daysSince1970(year, month, day) * DAY_MS + time - offset
  return instant <= FARTHEST_MS && instant >= -FARTHEST_MS ? new Date(instant) : text
}

/**
 * Makes a `Date` of a `timestamp` in ISO form, taken for local time as `pg` and postgres.js take
 * it; otherwise like `parseTimestamptz`. A time that the local clock skipped is moved on by as much
 * as was skipped, as `new Date` does.
 */
export function parseTimestamp(text: string): Date | number | string {
  if (!readDateAndTime(text)) return infinityOr(text)
  if (!readEra(text)) return text
  const date = new Date(year, month - 1, day, hour, minute, second, millisecond)
  if (year >= 0 && year < 100) {
    // The constructor has taken them for 1900 to 1999.
    date.setFullYear(year, month - 1, day)
    date.setHours(hour, minute, second, millisecond)
  }
  return Number.isNaN(date.getTime()) ? text : date
}

function infinityOr(text: string): number | string {
  if (text === 'infinity') return Number.POSITIVE_INFINITY
  if (text === '-infinity') return Number.NEGATIVE_INFINITY
  return text
}

/**
 * Reads `2026-01-31 23:59:59.999999`, whose year has four digits or more. Says whether that was
 * what it found.
 */
function readDateAndTime(text: string): boolean {
  let dash = 4
  if (text.charCodeAt(4) !== MINUS) {
    dash = text.indexOf('-')
    // PostgreSQL ends in the year 294276.
    if (dash < 4 || dash > 6) return false
  }
  year = digits(text, 0, dash)
  month = twoDigits(text, dash + 1)
  day = twoDigits(text, dash + 4)
  hour = twoDigits(text, dash + 7)
  minute = twoDigits(text, dash + 10)
  second = twoDigits(text, dash + 13)
  millisecond = 0
  at = dash + 15
  const inRange =
    year >= 1 &&
    month >= 1 &&
    month <= 12 &&
    day >= 1 &&
    day <= 31 &&
    hour >= 0 &&
    hour < 24 &&
    minute >= 0 &&
    minute < 60 &&
    second >= 0 &&
    second < 60
  return (
    inRange &&
    text.charCodeAt(dash + 3) === MINUS &&
    text.charCodeAt(dash + 6) === SPACE &&
    text.charCodeAt(dash + 9) === COLON &&
    text.charCodeAt(dash + 12) === COLON &&
    readFraction(text)
  )
}

function readFraction(text: string): boolean {
  if (text.charCodeAt(at) !== DOT) return true
  at += 1
  const start = at
  let scale = 100
  for (; at < text.length; at++) {
    const digit = text.charCodeAt(at) - ZERO
    if (digit < 0 || digit > 9) break
    if (at - start < 3) millisecond += digit * scale
    scale /= 10
  }
  return at > start
}

/** Reads `+05`, `+05:30` or `-00:01:15`; in milliseconds, NaN for anything else. */
function readOffset(text: string): number {
  const sign = text.charCodeAt(at)
  if (sign !== PLUS && sign !== MINUS) return Number.NaN
  let offset = twoDigits(text, at + 1) * 3_600_000
  at += 3
  for (let unit = 60_000; unit >= 1_000 && text.charCodeAt(at) === COLON; unit /= 60) {
    const part = twoDigits(text, at + 1)
    if (part < 0) return Number.NaN
    offset += part * unit
    at += 3
  }
  if (offset < 0) return Number.NaN
  return sign === PLUS ? offset : -offset
}

/** Reads ` BC` or nothing, and the end. Years before Christ count back from 0, as in JavaScript. */
function readEra(text: string): boolean {
  if (at === text.length) return true
  if (at + 3 !== text.length || !text.endsWith(' BC')) return false
  year = 1 - year
  return true
}

/**
 * The day's number in the Gregorian calendar, which PostgreSQL and JavaScript both stretch back for
 * ever.
 */
export function daysSince1970(year: number, month: number, day: number): number {
  // Years that begin in March have their leap day at the end; eras of 400 of them are all alike.
  const shifted = month > 2 ? year : year - 1
  const era = Math.floor(shifted / 400)
  const yearOfEra = shifted - era * 400
  const dayOfYear = Math.floor((153 * (month > 2 ? month - 3 : month + 9) + 2) / 5) + day - 1
  const leapDays = Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100)
  return era * 146_097 + yearOfEra * 365 + leapDays + dayOfYear - 719_468
}

function twoDigits(text: string, index: number): number {
  const tens = text.charCodeAt(index) - ZERO
  const ones = text.charCodeAt(index + 1) - ZERO
  return tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9 ? tens * 10 + ones : -1
}

function digits(text: string, start: number, end: number): number {
  let number = 0
  for (let index = start; index < end; index++) {
    const digit = text.charCodeAt(index) - ZERO
    if (!(digit >= 0 && digit <= 9)) return -1
    number = number * 10 + digit
  }
  return number
}
