import fc from 'fast-check'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { parseTimestamp, parseTimestamptz } from '../../../src/types/parse-timestamp.js'
import { pad, timeZones, useTimeZone } from './time-zones.js'

afterEach(() => {
  vi.unstubAllEnvs()
})

const MINUTE = 60_000

/**
 * How the server writes an instant in a zone that is `offset` seconds ahead of UTC, with three more
 * digits of a second.
 */
function serverText(instant: number, offset: number | undefined, micros: string): string {
  const local = new Date(instant + (offset ?? 0) * 1_000)
  const year = local.getUTCFullYear()
  const iso = local.toISOString()
  const rest = iso.slice(iso.indexOf('-', 1), -1).replace('T', ' ')
  const shown = `${pad(year > 0 ? year : 1 - year, 4)}${rest}${micros}`
  const distance = Math.abs(offset ?? 0)
  const parts = [Math.floor(distance / 3600), Math.floor(distance / 60) % 60, distance % 60]
  while (parts.length > 1 && parts.at(-1) === 0) parts.pop()
  const zone = parts.map((part) => pad(part, 2)).join(':')
  const sign = (offset ?? 0) < 0 ? '-' : '+'
  return `${shown}${offset === undefined ? '' : sign + zone}${year > 0 ? '' : ' BC'}`
}

// From 4713 BC to the end of what a Date holds.
const instants = fc.oneof(
  fc.integer({ min: -210_866_803_200_000, max: 8.64e15 - 16 * 60 * MINUTE }),
  fc.integer({ min: -2_208_988_800_000, max: 4_102_444_800_000 }),
  fc.integer({ min: -62_198_755_200_000, max: -59_011_459_200_000 }),
)
const offsets = fc.oneof(
  fc.constantFrom(0, 3_600, -18_000, 19_800, 20_700, -12_600, -17_762, 57_599, -57_599, -75),
  fc.integer({ min: -57_599, max: 57_599 }),
)

test('reads every timestamptz that a Date can hold, down to the millisecond', () => {
  fc.assert(
    fc.property(
      instants,
      offsets,
      fc.constantFrom('', '0', '999', '123'),
      (instant, offset, micros) => {
        const text = serverText(instant, offset, micros)
        expect(parseTimestamptz(text), text).toEqual(new Date(instant))
      },
    ),
    { numRuns: 5_000 },
  )
})

test.each([
  ['2026-01-31 12:00:00+00', '2026-01-31T12:00:00.000Z'],
  ['2026-01-31 12:00:00.1+00', '2026-01-31T12:00:00.100Z'],
  ['2026-01-31 12:00:00.289+00', '2026-01-31T12:00:00.289Z'],
  ['2026-01-31 12:00:00.999999+00', '2026-01-31T12:00:00.999Z'],
  ['1969-12-31 23:59:59.999999+00', '1969-12-31T23:59:59.999Z'],
  ['2024-02-29 00:00:00+05:45', '2024-02-28T18:15:00.000Z'],
  ['1883-11-18 12:00:00-04:56:02', '1883-11-18T16:56:02.000Z'],
  ['0044-03-15 12:00:00+00 BC', '-000043-03-15T12:00:00.000Z'],
  ['0001-02-29 00:00:00+00 BC', '+000000-02-29T00:00:00.000Z'],
  ['4713-01-01 00:00:00+00 BC', '-004712-01-01T00:00:00.000Z'],
  ['0099-12-31 00:00:00+00', '0099-12-31T00:00:00.000Z'],
  ['10000-01-01 00:00:00+00', '+010000-01-01T00:00:00.000Z'],
  ['275760-09-13 00:00:00+00', '+275760-09-13T00:00:00.000Z'],
])('reads the timestamptz %s as %s', (text, iso) => {
  expect(parseTimestamptz(text)).toEqual(new Date(iso))
})

test.each([parseTimestamp, parseTimestamptz])('infinity is a number for %o', (parse) => {
  expect(parse('infinity')).toBe(Number.POSITIVE_INFINITY)
  expect(parse('-infinity')).toBe(Number.NEGATIVE_INFINITY)
})

describe('stays text:', () => {
  test.each([
    ['beyond what a Date holds', '294276-12-31 23:59:59.999999+00'],
    ['by one millisecond', '275760-09-13 00:00:00.001+00'],
    ['DateStyle SQL', '01/02/2026 03:04:05.5 PST'],
    ['DateStyle Postgres', 'Fri Jan 02 03:04:05.5 2026 PST'],
    ['DateStyle German', '02.01.2026 03:04:05.5 PST'],
    ['no zone', '2026-01-31 12:00:00'],
    ['a zone’s name', '2026-01-31 12:00:00 PST'],
    ['half a zone', '2026-01-31 12:00:00+0'],
    ['half a zone’s minutes', '2026-01-31 12:00:00+05:3'],
    ['a T', '2026-01-31T12:00:00+00'],
    ['an era that is not known', '2026-01-31 12:00:00+00 AD'],
    ['something behind it', '2026-01-31 12:00:00+00 BCE'],
    ['no digits behind the dot', '2026-01-31 12:00:00.+00'],
    ['a year of two digits', '26-01-31 12:00:00+00'],
    ['a 13th month', '2026-13-31 12:00:00+00'],
    ['a year 0', '0000-01-31 12:00:00+00'],
    ['nothing', ''],
  ])('a timestamptz with %s', (_what, text) => {
    expect(parseTimestamptz(text)).toBe(text)
  })

  test.each([
    ['beyond what a Date holds', '294276-12-31 23:59:59.999999'],
    ['a zone', '2026-01-31 12:00:00+00'],
    ['DateStyle SQL', '01/02/2026 03:04:05.5'],
    ['DateStyle Postgres', 'Fri Jan 02 03:04:05.5 2026'],
    ['DateStyle German', '02.01.2026 03:04:05.5'],
  ])('a timestamp with %s', (_what, text) => {
    expect(parseTimestamp(text)).toBe(text)
  })

  test('any text that is not a timestamp', () => {
    const pieces = fc.constantFrom(
      '-',
      ':',
      '.',
      '+',
      ' ',
      '2026',
      '01',
      'BC',
      'infinity',
      '9',
      'x',
    )
    fc.assert(
      fc.property(fc.string({ unit: pieces }), (text) => {
        for (const value of [parseTimestamptz(text), parseTimestamp(text)]) {
          const known = value instanceof Date ? !Number.isNaN(value.getTime()) : true
          expect(known).toBe(true)
          if (typeof value === 'string') expect(value).toBe(text)
        }
      }),
      { numRuns: 2_000 },
    )
  })
})

describe.each(timeZones)('in %s', (zone) => {
  test('a timestamp is local time, whatever its year', () => {
    useTimeZone(zone)
    fc.assert(
      fc.property(instants, (instant) => {
        const text = serverText(instant, undefined, '456')
        const date = parseTimestamp(text) as Date
        const wall = new Date(instant)
        const parts = [date.getFullYear(), date.getMonth(), date.getDate(), date.getSeconds()]
        const expected = [wall.getUTCFullYear(), wall.getUTCMonth(), wall.getUTCDate()]
        const shown = new Date(2000, 0, 1)
        shown.setFullYear(wall.getUTCFullYear(), wall.getUTCMonth(), wall.getUTCDate())
        shown.setHours(
          wall.getUTCHours(),
          wall.getUTCMinutes(),
          wall.getUTCSeconds(),
          wall.getUTCMilliseconds(),
        )
        expect(date, text).toEqual(shown)
        // Unless the local time was skipped, the clock shows the digits of the text.
        if (
          shown.getHours() === wall.getUTCHours() &&
          shown.getMinutes() === wall.getUTCMinutes()
        ) {
          expect(parts, text).toEqual([...expected, wall.getUTCSeconds()])
        }
      }),
      { numRuns: 500 },
    )
  })

  test('a timestamptz is the same instant', () => {
    useTimeZone(zone)
    expect(parseTimestamptz('2026-03-08 02:30:00-05')).toEqual(
      new Date(Date.UTC(2026, 2, 8, 7, 30)),
    )
    expect(parseTimestamptz('0001-01-01 00:00:00+00')).toEqual(new Date('0001-01-01T00:00:00Z'))
  })
})

test('a leap day of the first century is the same day', () => {
  useTimeZone('UTC')
  expect(parseTimestamp('0001-02-29 12:00:00 BC')).toEqual(new Date('0000-02-29T12:00:00Z'))
  expect(parseTimestamp('0096-02-29 12:00:00')).toEqual(new Date('0096-02-29T12:00:00Z'))
})

test('a local time that was skipped moves forward by the length of the gap', () => {
  useTimeZone('America/New_York')
  expect(parseTimestamp('2026-03-08 02:30:00')).toEqual(new Date('2026-03-08T07:30:00Z'))
  useTimeZone('Pacific/Apia')
  expect(parseTimestamp('2011-12-30 12:00:00')).toEqual(new Date('2011-12-30T22:00:00Z'))
})

test('a local time that occurred twice is the first of the two', () => {
  useTimeZone('America/New_York')
  expect(parseTimestamp('2026-11-01 01:30:00')).toEqual(new Date('2026-11-01T05:30:00Z'))
})
