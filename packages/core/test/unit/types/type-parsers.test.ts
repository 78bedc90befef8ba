import { describe, expect, test } from 'vitest'
import { createPool, type Driver } from '../../../src/index.js'
import type { ConnectContext } from '../../../src/kit.js'
import { fakeDriver, virtualClock } from '../../../src/testing/index.js'
import * as types from '../../../src/types/index.js'

const { typeParsers } = types
type TypesOption = types.TypesOption

const { NaN: nan, POSITIVE_INFINITY: infinity, NEGATIVE_INFINITY: minusInfinity } = Number

/** What the server's text becomes; the text itself where there is no parser. */
function parse(oid: number, text: string, overrides?: TypesOption): unknown {
  const parser = typeParsers(overrides).parserOf(oid)
  return parser === undefined ? text : parser(text)
}

describe('a value of a built-in type becomes', () => {
  test.each<[type: string, oid: number, text: string, value: unknown]>([
    ['bool', 16, 't', true],
    ['bool', 16, 'f', false],
    ['int2', 21, '-32768', -32768],
    ['int4', 23, '0', 0],
    ['int4', 23, '-2147483648', -2147483648],
    ['int4', 23, '2147483647', 2147483647],
    ['oid', 26, '4294967295', 4294967295],
    ['float4', 700, '0.1', 0.1],
    ['float8', 701, '1.7976931348623157e+308', Number.MAX_VALUE],
    ['float8', 701, '5e-324', Number.MIN_VALUE],
    ['float8', 701, '-0', -0],
    ['float8', 701, 'NaN', nan],
    ['float8', 701, 'Infinity', infinity],
    ['float8', 701, '-Infinity', minusInfinity],
    ['int8', 20, '9223372036854775807', '9223372036854775807'],
    ['numeric', 1700, '0.10000000000000000000001', '0.10000000000000000000001'],
    ['numeric', 1700, 'NaN', 'NaN'],
    ['money', 790, '$1,000.00', '$1,000.00'],
    ['text', 25, '', ''],
    ['bpchar', 1042, 'a  ', 'a  '],
    ['"char"', 18, 'x', 'x'],
    ['bytea', 17, '\\x', Buffer.alloc(0)],
    ['bytea', 17, '\\x00deADff', Buffer.from([0, 0xde, 0xad, 0xff])],
    ['bytea', 17, 'a\\000\\377\\\\x', Buffer.from([97, 0, 255, 92, 120])],
    ['bytea', 17, '\\\\x41', Buffer.from('\\x41')],
    ['json', 114, ' {"a": [1, null]}', { a: [1, null] }],
    ['json', 114, 'null', null],
    ['jsonb', 3802, '"text"', 'text'],
    ['timestamptz', 1184, '2026-01-31 23:59:59.5+01', new Date('2026-01-31T22:59:59.500Z')],
    ['timestamp', 1114, '2026-01-31 23:59:59', new Date(2026, 0, 31, 23, 59, 59)],
    ['date', 1082, '2026-01-31', '2026-01-31'],
    ['date', 1082, 'infinity', 'infinity'],
    ['time', 1083, '24:00:00', '24:00:00'],
    ['timetz', 1266, '12:00:00+01', '12:00:00+01'],
    ['interval', 1186, '1 mon -1 days', '1 mon -1 days'],
    ['point', 600, '(1,2)', '(1,2)'],
    ['circle', 718, '<(1,2),3>', '<(1,2),3>'],
    ['a type unknown here', 16_390, '(1,"a b")', '(1,"a b")'],
    ['record', 2249, '(1,2)', '(1,2)'],
    ['int2vector', 22, '1 2', '1 2'],
    ['bool[]', 1000, '{t,NULL,f}', [true, null, false]],
    ['bytea[]', 1001, '{"\\\\x41",NULL}', [Buffer.from('A'), null]],
    [
      'int4[]',
      1007,
      '{{1,2},{3,4}}',
      [
        [1, 2],
        [3, 4],
      ],
    ],
    ['int4[]', 1007, '[0:2]={1,2,3}', [1, 2, 3]],
    [
      'int4[]',
      1007,
      '[-1:0][2:3]={{1,2},{3,4}}',
      [
        [1, 2],
        [3, 4],
      ],
    ],
    ['int8[]', 1016, '{9223372036854775807}', ['9223372036854775807']],
    ['numeric[]', 1231, '{0.10}', ['0.10']],
    ['float8[]', 1022, '{NaN,-Infinity}', [nan, minusInfinity]],
    ['date[]', 1182, '{2026-01-31}', ['2026-01-31']],
    [
      'timestamptz[]',
      1185,
      '{"2026-01-31 00:00:00+00",infinity}',
      [new Date('2026-01-31Z'), infinity],
    ],
    ['text[]', 1009, '{a,"NULL",NULL,"","{,}"}', ['a', 'NULL', null, '', '{,}']],
    ['varchar[]', 1015, '{null}', ['null']],
    ['jsonb[]', 3807, '{"{\\"a\\": \\"\\\\\\\\\\"}",NULL,"null"}', [{ a: '\\' }, null, null]],
    ['point[]', 1017, '{"(1,2)","(3,4)"}', ['(1,2)', '(3,4)']],
    ['box[]', 1020, '{(1,1),(0,0);(3,3),(2,2)}', ['(1,1),(0,0)', '(3,3),(2,2)']],
    ['int4range[]', 3905, '{"[1,2)",empty}', ['[1,2)', 'empty']],
    ['int2vector[]', 1006, '{"1 2"}', ['1 2']],
    ['uuid[]', 2951, '{}', []],
  ])('%s (%i): %s', (_type, oid, text, value) => {
    expect(parse(oid, text)).toStrictEqual(value)
  })
})

test('the entry exports only these values', () => {
  expect(Object.keys(types).sort()).toEqual(['encodeValues', 'typeParsers'])
})

test('without overrides there is one frozen set of parsers', () => {
  const parsers = typeParsers()
  expect(typeParsers({})).toBe(parsers)
  expect(typeParsers(undefined, 'createPool')).toBe(parsers)
  expect(Object.isFrozen(parsers)).toBe(true)
})

describe('an override', () => {
  test.each(['int8', 'bigint', '20'])('may be given by any name of the type: %s', (name) => {
    expect(parse(20, '12', { [name]: BigInt })).toBe(12n)
  })

  test('of SQL’s char does not apply to the catalogue’s "char"', () => {
    const types: TypesOption = { char: () => 'SQL', '"char"': () => 'catalogue' }
    expect([parse(1042, 'a', types), parse(18, 'a', types)]).toEqual(['SQL', 'catalogue'])
    expect(parse(1002, '{a}', types)).toEqual(['catalogue'])
  })

  test('leaves the canonical parsers alone', () => {
    typeParsers({ int4: () => 'other' })
    expect(parse(23, '1')).toBe(1)
    expect(parse(1007, '{1}')).toEqual([1])
  })

  test('is copied when it is given', () => {
    const types: Record<string, (text: string) => unknown> = { int4: () => 'first' }
    const parsers = typeParsers(types)
    types['int4'] = () => 'second'
    expect(parsers.parserOf(23)?.('1')).toBe('first')
  })

  test('of an element type is used in its arrays too', () => {
    expect(parse(1016, '{{1},{NULL}}', { int8: BigInt })).toEqual([[1n], [null]])
    expect(parse(1020, '{(1,1),(0,0);(3,3),(2,2)}', { box: (text) => text.length })).toEqual([
      11, 11,
    ])
  })

  test.each(['int8[]', 'bigint[]', '_int8', '1016'])(
    'of an array gets all of its text: %s',
    (name) => {
      const types: TypesOption = { int8: BigInt, [name]: (text) => `whole ${text}` }
      expect(parse(1016, '{1}', types)).toBe('whole {1}')
      expect(parse(20, '1', types)).toBe(1n)
    },
  )

  test('of a type that is not built in is given by its OID', () => {
    expect(parse(16_390, 'x', { 16390: () => 'mine' })).toBe('mine')
    expect(parse(4_294_967_295, 'x', { 4294967295: () => 'mine' })).toBe('mine')
  })

  test.each([
    ['int64', 'did you mean "int4"?'],
    ['BIGINT', 'did you mean "bigint"?'],
    ['timestmptz', 'did you mean "timestamptz"?'],
    ['hstore', 'give its OID if it is not built in'],
    ['__proto__', 'unknown type "__proto__"'],
    ['constructor', 'unknown type "constructor"'],
    ['toString', 'unknown type "toString"'],
    ['0', 'unknown type "0"'],
    ['-1', 'unknown type "-1"'],
    ['020', 'unknown type "020"'],
    ['2e1', 'unknown type "2e1"'],
    ['1.5', 'unknown type "1.5"'],
    ['4294967296', 'unknown type "4294967296"'],
    ['', 'unknown type ""'],
  ])('of the type "%s" is refused', (name, message) => {
    const types = Object.defineProperty({}, name, { value: String, enumerable: true })
    expect(() => typeParsers(types, 'createPool')).toThrow(TypeError)
    expect(() => typeParsers(types, 'createPool')).toThrow(
      /^createPool: types has the unknown type/,
    )
    expect(() => typeParsers(types)).toThrow(message)
  })

  test.each([[undefined], [null], ['text'], [{ parse: String }]])(
    'that is %s is refused',
    (value) => {
      const types = { int8: value } as unknown as TypesOption
      expect(() => typeParsers(types, 'createPool')).toThrow(TypeError)
      expect(() => typeParsers(types, 'createPool')).toThrow(
        /^createPool: types\.int8 must be a function .* got /,
      )
    },
  )

  test('that names one type twice is refused', () => {
    expect(() => typeParsers({ int8: BigInt, bigint: Number })).toThrow(
      'types.int8 and types.bigint are the same type, OID 20',
    )
  })

  test('is never looked up in a prototype', () => {
    const types = Object.create({ int4: () => 'inherited' }) as TypesOption
    expect(typeParsers(types)).toBe(typeParsers())
  })

  test.each([[null], [[]], ['int8'], [() => {}]])('cannot be given as %j', (types) => {
    expect(() => typeParsers(types as unknown as TypesOption)).toThrow(
      'typeParsers: types must be an object such as { int8: BigInt }',
    )
  })
})

describe('createPool', () => {
  const clock = virtualClock()
  const driver = fakeDriver({ clock })
  const connection = 'postgres://me@localhost/app'

  test('names itself in the error about wrong overrides', () => {
    const types = { int9: Number }
    expect(() => createPool({ driver, connection, types })).toThrow(
      'createPool: types has the unknown type "int9"; did you mean "int2"?',
    )
  })

  test.each<[TypesOption | undefined, unknown]>([
    [undefined, '1'],
    [{ int8: BigInt }, 1n],
  ])('gives the driver its parsers, with the overrides %o', async (types, value) => {
    const contexts: ConnectContext[] = []
    const spy: Driver = {
      ...driver,
      connect: (context) => {
        contexts.push(context)
        return driver.connect(context)
      },
    }
    const pool = createPool({ driver: spy, connection, types, clock })
    await pool.warm(1)
    await pool.close()
    expect(contexts[0]?.types?.parserOf(1016)?.('{1}')).toEqual([value])
  })
})
