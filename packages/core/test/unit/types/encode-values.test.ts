import { runInNewContext } from 'node:vm'
import fc from 'fast-check'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { readQueryArguments, valuesOf, wireValuesOf } from '../../../src/api/statement.js'
import { encodeValues } from '../../../src/types/index.js'
import { readArrayLiteral } from './array-literal.js'
import { timeZones, useTimeZone } from './time-zones.js'

afterEach(() => {
  vi.unstubAllEnvs()
})

const encode = (value: unknown): string | null | undefined => encodeValues([value])?.[0]

/** The error for this value. */
function refusal(...values: unknown[]): Error & { cause?: unknown } {
  try {
    encodeValues(values)
  } catch (error) {
    return error as Error
  }
  throw new Error('it was expected to be refused')
}

test('no values are sent where none were given', () => {
  expect(encodeValues(undefined)).toBeUndefined()
  expect(encodeValues([])).toBeUndefined()
})

test('values keep their order', () => {
  expect(encodeValues(['a', null, 1, 'b'])).toEqual(['a', null, '1', 'b'])
})

test.each<[what: string, value: unknown, text: string | null]>([
  ['null', null, null],
  ['a string', 'a "b" \\ {c}', 'a "b" \\ {c}'],
  ['an empty string', '', ''],
  ['a string of any characters', 'é😀\u0001\r\n', 'é😀\u0001\r\n'],
  ['an integer', -42, '-42'],
  ['a fraction', 0.1, '0.1'],
  ['a large number', 1e300, '1e+300'],
  ['NaN', Number.NaN, 'NaN'],
  ['infinity', Number.POSITIVE_INFINITY, 'Infinity'],
  ['minus infinity', Number.NEGATIVE_INFINITY, '-Infinity'],
  ['a bigint', 9_223_372_036_854_775_807n, '9223372036854775807'],
  ['true', true, 'true'],
  ['false', false, 'false'],
  ['a String object', Object('a"b'), 'a"b'],
  ['a Number object', Object(1.5), '1.5'],
  ['a Boolean object', Object(false), 'false'],
  ['a BigInt object', Object(5n), '5'],
  ['a Buffer', Buffer.from([0, 255]), '\\x00ff'],
  ['an empty Buffer', Buffer.alloc(0), '\\x'],
  ['a part of an ArrayBuffer', new Uint8Array([1, 2, 3, 4]).subarray(1, 3), '\\x0203'],
  ['an ArrayBuffer', new Uint8Array([1, 2]).buffer, '\\x0102'],
  ['a SharedArrayBuffer', new SharedArrayBuffer(2), '\\x0000'],
  ['a DataView', new DataView(new Uint8Array([1, 2, 3]).buffer, 1), '\\x0203'],
  ['other typed arrays, as their bytes', new Uint16Array([0x0101]), '\\x0101'],
  ['an object', { a: [1, null], b: 'é"' }, '{"a":[1,null],"b":"é\\""}'],
  ['an object without a prototype', Object.create(null), '{}'],
  ['an object with a NUL in it', { a: '\0' }, '{"a":"\\u0000"}'],
  ['an object with toJSON', { toJSON: () => ({ b: 2 }) }, '{"b":2}'],
  ['a Map with toJSON', Object.assign(new Map(), { toJSON: () => [1] }), '[1]'],
  ['an object of another realm', runInNewContext('({ a: 1 })'), '{"a":1}'],
  ['an array of another realm', runInNewContext('[1, "a"]'), '{1,"a"}'],
  ['bytes of another realm', runInNewContext('new Uint8Array([1])'), '\\x01'],
])('writes %s', (_what, value, text) => {
  expect(encode(value)).toBe(text)
})

describe('an array is written', () => {
  test.each<[what: string, value: unknown[], text: string]>([
    ['empty', [], '{}'],
    ['with NULL apart from its name', [null, 'NULL', 'null', ''], '{NULL,"NULL","null",""}'],
    ['with numbers', [1, -0.5, 10n, Number.NaN], '{1,-0.5,10,NaN}'],
    ['with booleans', [true, false], '{true,false}'],
    [
      'with what must be quoted',
      ['a"b', 'c\\d', '{e}', 'f,g', ' '],
      '{"a\\"b","c\\\\d","{e}","f,g"," "}',
    ],
    ['with bytes', [Buffer.from([1])], '{"\\\\x01"}'],
    ['with objects', [{ a: 'b"c' }], '{"{\\"a\\":\\"b\\\\\\"c\\"}"}'],
    ['with wrapper objects', [Object('a'), Object(1)], '{"a","1"}'],
    [
      'nested',
      [
        [1, 2],
        [3, null],
      ],
      '{{1,2},{3,NULL}}',
    ],
    ['nested six times', [[[[[[1]]]]]], '{{{{{{1}}}}}}'],
    ['ragged, for the server to refuse', [[1, 2], [3]], '{{1,2},{3}}'],
    ['with its own prototype’s elements only', Object.assign([1], { extra: 2 }), '{1}'],
  ])('%s', (_what, value, text) => {
    expect(encode(value)).toBe(text)
  })

  test('so that the server reads the same elements', () => {
    const hostile = fc.oneof(
      fc.string({ unit: fc.constantFrom('"', '\\', '{', '}', ',', ' ', '\n', 'NULL', 'é', '😀') }),
      fc.string({ unit: 'binary' }).map((text) => text.replaceAll('\0', '')),
      fc.constantFrom('', 'NULL', '{}', '\\'),
    )
    const nested = fc.letrec((tie) => ({
      element: fc.oneof({ maxDepth: 4 }, fc.option(hostile), tie('array')),
      array: fc.array(tie('element'), { maxLength: 4 }),
    })).array
    fc.assert(
      fc.property(nested, (array) => {
        expect(readArrayLiteral(encode(array)!)).toStrictEqual(array)
      }),
      { numRuns: 2_000 },
    )
  })

  test('with a Date written as outside of an array', () => {
    const date = new Date('2026-01-31T12:00:00Z')
    expect(readArrayLiteral(encode([date])!)).toEqual([encode(date)])
  })
})

describe('a Date', () => {
  test.each([
    ['UTC', '2026-01-31T12:00:00.005Z', '2026-01-31T12:00:00.005+00:00'],
    ['America/New_York', '2026-01-31T12:00:00Z', '2026-01-31T07:00:00.000-05:00'],
    ['America/New_York', '2026-11-01T05:30:00Z', '2026-11-01T01:30:00.000-04:00'],
    ['America/New_York', '2026-11-01T06:30:00Z', '2026-11-01T01:30:00.000-05:00'],
    ['America/New_York', '1883-01-01T12:00:00Z', '1883-01-01T07:03:58.000-04:56:02'],
    ['Asia/Kolkata', '2026-01-31T20:00:00Z', '2026-02-01T01:30:00.000+05:30'],
    ['Africa/Monrovia', '1972-01-03T12:00:00Z', '1972-01-03T11:15:30.000-00:44:30'],
    ['UTC', '0099-01-01T00:00:00Z', '0099-01-01T00:00:00.000+00:00'],
    ['UTC', '0001-01-01T00:00:00Z', '0001-01-01T00:00:00.000+00:00'],
    ['UTC', '0000-12-31T00:00:00Z', '0001-12-31T00:00:00.000+00:00 BC'],
    ['UTC', '-000043-03-15T00:00:00Z', '0044-03-15T00:00:00.000+00:00 BC'],
    ['UTC', '+012026-01-31T00:00:00Z', '12026-01-31T00:00:00.000+00:00'],
  ])('is local time and its distance from UTC: in %s, %s', (zone, iso, text) => {
    useTimeZone(zone)
    expect(encode(new Date(iso))).toBe(text)
  })

  test.each(timeZones)('is the same instant on the server, and the same digits: in %s', (zone) => {
    useTimeZone(zone)
    const instants = fc.oneof(
      fc.integer({ min: -210_866_803_200_000, max: 8.64e15 - 57_600_000 }),
      fc.integer({ min: -5_000_000_000_000, max: 4_102_444_800_000 }),
      fc.integer({ min: -62_198_755_200_000, max: -59_011_459_200_000 }),
    )
    fc.assert(
      fc.property(instants, (instant) => {
        const date = new Date(instant)
        const text = encode(date)!
        const found =
          /^(\d{4,6})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)\.(\d{3})([+-])(\d\d):(\d\d)(?::(\d\d))?( BC)?$/.exec(
            text,
          )
        const [year, month, day, hours, minutes, seconds, ms] = found!.slice(1, 8).map(Number)
        const wall = new Date(0)
        wall.setUTCFullYear(found![12] === undefined ? year! : 1 - year!, month! - 1, day)
        wall.setUTCHours(hours!, minutes, seconds, ms)
        const [ahead = 0, more = 0, rest = 0] = found!.slice(9, 12).map((part) => Number(part ?? 0))
        const offset = ((ahead * 60 + more) * 60 + rest) * (found![8] === '-' ? -1 : 1)
        expect(wall.getTime() - offset * 1_000, text).toBe(instant)
        expect([wall.getUTCFullYear(), wall.getUTCDate(), wall.getUTCHours()], text).toEqual([
          date.getFullYear(),
          date.getDate(),
          date.getHours(),
        ])
      }),
      { numRuns: 500 },
    )
  })

  test('of another realm is recognised', () => {
    useTimeZone('UTC')
    expect(encode(runInNewContext('new Date(0)'))).toBe('1970-01-01T00:00:00.000+00:00')
  })
})

describe('toPostgres()', () => {
  test('returns what is sent, and is given a function that encodes parts', () => {
    const point = {
      toPostgres: (prepareValue: (value: unknown) => string | null) =>
        `(${prepareValue(1)},${prepareValue([2, 'a'])},${prepareValue(null)},${prepareValue(Buffer.from([1]))})`,
    }
    expect(encode(point)).toBe('(1,{2,"a"},null,\\x01)')
    expect(encode([point])).toBe('{"(1,{2,\\"a\\"},null,\\\\x01)"}')
  })

  test('may return anything that can be sent', () => {
    expect(encode({ toPostgres: () => [1, 2] })).toBe('{1,2}')
    expect(encode({ toPostgres: () => null })).toBeNull()
    expect(encode([{ toPostgres: () => null }])).toBe('{NULL}')
    expect(encode({ toPostgres: () => ({ toPostgres: () => 'inner' }) })).toBe('inner')
    expect(encode({ toPostgres: () => 'first', toJSON: () => 'second' })).toBe('first')
  })

  test('may be a method of a class, and may return the same object twice', () => {
    class Money {
      readonly #cents = 1_250
      toPostgres(): string {
        return (this.#cents / 100).toFixed(2)
      }
    }
    const price = new Money()
    expect(encode(price)).toBe('12.50')
    expect(encode([price, price])).toBe('{"12.50","12.50"}')
  })

  test('that leads back to itself is refused', () => {
    const self = { toPostgres: (): unknown => self }
    const through = {
      toPostgres: (prepareValue: (value: unknown) => unknown) => prepareValue([through]),
    }
    const endless = (): unknown => ({ toPostgres: endless })
    for (const value of [self, through, endless()]) {
      expect(refusal(value)).toBeInstanceOf(TypeError)
      expect(refusal(value).message).toMatch(/^values\[0\] .*leads back to itself$/)
    }
  })

  test('that returns its own object is called only once', () => {
    const self = { toPostgres: vi.fn((): unknown => self) }
    expect(() => encodeValues([self])).toThrow('leads back to itself')
    expect(self.toPostgres).toHaveBeenCalledTimes(1)
  })

  test('that throws is refused with its error as the cause', () => {
    const cause = new RangeError('no such currency')
    const thrown = refusal('a', [
      {
        toPostgres: () => {
          throw cause
        },
      },
    ])
    expect(thrown).toBeInstanceOf(TypeError)
    expect(thrown.message).toBe('values[1][0] cannot be sent to PostgreSQL: no such currency')
    expect(thrown.cause).toBe(cause)
  })

  test.each([
    [undefined, 'values[0] is undefined; use null'],
    [[1, undefined], 'values[0] has a toPostgres() whose value is undefined; use null'],
    ['\0', 'values[0] holds a NUL character, which PostgreSQL cannot store'],
  ])('that gives %o is refused', (value, message) => {
    expect(refusal({ toPostgres: () => value }).message).toBe(message)
  })
})

describe('refuses, naming the place,', () => {
  const circular: Record<string, unknown> = {}
  circular['self'] = circular
  const endless: unknown[] = []
  endless.push(endless)

  test.each<[what: string, value: unknown, message: string | RegExp]>([
    ['undefined', undefined, 'values[1] is undefined; use null'],
    ['undefined in an array', [1, [2, 3, undefined]], 'values[1][1][2] is undefined; use null'],
    ['a hole in an array', new Array(2), 'values[1][0] is undefined; use null'],
    ['a function', () => {}, 'values[1] is a function, which PostgreSQL has no value for'],
    ['a class', [class {}], 'values[1][0] is a function, which PostgreSQL has no value for'],
    ['a symbol', Symbol('a'), 'values[1] is a symbol, which PostgreSQL has no value for'],
    [
      'a Symbol object',
      Object(Symbol('a')),
      'values[1] is a symbol, which PostgreSQL has no value for',
    ],
    ['an invalid Date', [new Date(Number.NaN)], 'values[1][0] is an invalid Date'],
    ['a promise', Promise.resolve(1), 'values[1] is a promise; await it first'],
    ['a Map', new Map(), 'values[1] is a Map, which JSON cannot hold; pass an array or an object'],
    [
      'a Set',
      [new Set([1])],
      'values[1][0] is a Set, which JSON cannot hold; pass an array or an object',
    ],
    ['a NUL', 'a\0b', 'values[1] holds a NUL character, which PostgreSQL cannot store'],
    [
      'a NUL in an array',
      [['\0']],
      'values[1][0][0] holds a NUL character, which PostgreSQL cannot store',
    ],
    [
      'a NUL in a String object',
      Object('\0'),
      'values[1] holds a NUL character, which PostgreSQL cannot store',
    ],
    [
      'a circle',
      circular,
      /^values\[1\] cannot be sent to PostgreSQL: Converting circular structure/,
    ],
    ['a bigint in JSON', { a: 1n }, /^values\[1\] cannot be sent to PostgreSQL: .*BigInt/],
    [
      'an object that is nothing in JSON',
      { toJSON: () => undefined },
      'values[1] has a toJSON() that returns nothing; use null',
    ],
    ['a revoked proxy', revoked(), /^values\[1\] cannot be sent to PostgreSQL: /],
  ])('%s', (_what, value, message) => {
    const error = refusal('before', value, 'behind')
    expect(error.constructor).toBe(TypeError)
    expect(error.message).toMatch(message)
  })

  test.each([
    ['seven dimensions', [[[[[[[1]]]]]]], 'values[0][0][0][0][0][0][0]'],
    ['an array in itself', endless, 'values[0][0][0][0][0][0][0]'],
  ])('%s', (_what, value, place) => {
    const error = refusal(value)
    expect(error.constructor).toBe(RangeError)
    expect(error.message).toContain(`${place} is nested deeper than 6 arrays`)
  })

  test('more values than either driver accepts', () => {
    expect(encodeValues(new Array(65_533).fill(1))).toHaveLength(65_533)
    const error = refusal(...new Array<number>(65_534).fill(1))
    expect(error.constructor).toBe(RangeError)
    expect(error.message).toBe(
      'a statement takes at most 65533 values, got 65534; pass an array and unnest it',
    )
  })
})

function revoked(): unknown {
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  return proxy
}

test('keeps bytes as a copy where they may go out in binary format, and writes them elsewhere', () => {
  const bytes = Buffer.from('fig')
  const { statement } = readQueryArguments({ text: 'a', values: [bytes, 1], undecoded: true })
  bytes.fill(0)
  expect(wireValuesOf(statement)).toEqual([Buffer.from('fig'), '1'])
  expect(valuesOf(statement)).toEqual(['\\x666967', '1'])
  const decoded = readQueryArguments({ text: 'a', values: [Buffer.from('fig')] }).statement
  expect(wireValuesOf(decoded)).toEqual(['\\x666967'])
  expect(wireValuesOf({ text: 'a', values: [Buffer.from('x')], undecoded: true })).toEqual([
    Buffer.from('x'),
  ])
  expect(wireValuesOf({ text: 'a' })).toBeUndefined()
})
