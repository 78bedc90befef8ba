import assert from 'node:assert/strict'
import { failureOf } from '../run/expectations.js'
import { type DriverArea, onSession } from './driver-context.js'

/** An expression of SQL and what it is in JavaScript. */
const VALUES: readonly [sql: string, expected: unknown][] = [
  ['null', null],
  ['true', true],
  ['false', false],
  ['32767::int2', 32_767],
  ['(-2147483648)::int4', -2_147_483_648],
  ['4294967295::oid', 4_294_967_295],
  ['9223372036854775807::int8', '9223372036854775807'],
  ['1::int8', '1'],
  ['1.5::float4', 1.5],
  ['1e308::float8', 1e308],
  ['0.1::float8', 0.1],
  [`'NaN'::float8`, Number.NaN],
  [`'-infinity'::float8`, Number.NEGATIVE_INFINITY],
  [`'-0'::float8`, -0],
  ['1.10::numeric', '1.10'],
  [`'NaN'::numeric`, 'NaN'],
  ['12345678901234567890.123456789::numeric', '12345678901234567890.123456789'],
  [`'it''s'::text`, `it's`],
  [`''::text`, ''],
  [`'x'::char(3)`, 'x  '],
  [`'x'::varchar`, 'x'],
  [`'x'::"char"`, 'x'],
  [`'pg_class'::name`, 'pg_class'],
  [`'\\x00ff10'::bytea`, Buffer.from([0, 255, 16])],
  [`''::bytea`, Buffer.alloc(0)],
  [`'{"a": [1, null, "x"]}'::json`, { a: [1, null, 'x'] }],
  [`'{"a": {"b": 1.5}}'::jsonb`, { a: { b: 1.5 } }],
  [`'null'::jsonb`, null],
  [`'[]'::jsonb`, []],
  [`'"text"'::jsonb`, 'text'],
  [`'2024-02-29 12:34:56.789+00'::timestamptz`, new Date('2024-02-29T12:34:56.789Z')],
  [`'2024-02-29 12:34:56.789999+02'::timestamptz`, new Date('2024-02-29T10:34:56.789Z')],
  [`'infinity'::timestamptz`, Number.POSITIVE_INFINITY],
  [`'0044-03-15 12:00:00+00 BC'::timestamptz`, new Date('-000043-03-15T12:00:00Z')],
  [`'2024-02-29 12:34:56.5'::timestamp`, new Date(2024, 1, 29, 12, 34, 56, 500)],
  [`'2024-02-29'::date`, '2024-02-29'],
  [`'12:34:56.789'::time`, '12:34:56.789'],
  [`'12:34:56+02'::timetz`, '12:34:56+02'],
  [`'1 year 2 mons 3 days 04:05:06'::interval`, '1 year 2 mons 3 days 04:05:06'],
  [`'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid`, 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'],
  [`'192.168.0.1/24'::inet`, '192.168.0.1/24'],
  [`'10.0.0.0/8'::cidr`, '10.0.0.0/8'],
  [`'08:00:2b:01:02:03'::macaddr`, '08:00:2b:01:02:03'],
  [`B'101'`, '101'],
  [`'(1,2)'::point`, '(1,2)'],
  [`'<(1,2),3>'::circle`, '<(1,2),3>'],
  [`'[1,5)'::int4range`, '[1,5)'],
  [`row(1, 'x y')`, '(1,"x y")'],
  [`'<a>b</a>'::text`, '<a>b</a>'],
  [`'0/16B3748'::pg_lsn`, '0/16B3748'],
  [`'pg_class'::regclass`, 'pg_class'],
  ['array[1, null, 3]', [1, null, 3]],
  [
    'array[[1, 2], [3, 4]]',
    [
      [1, 2],
      [3, 4],
    ],
  ],
  [`'{}'::int[]`, []],
  [`'[0:1]={7,8}'::int[]`, [7, 8]],
  [`array['a,b', 'c"d', 'e\\f', '', 'NULL', null]`, ['a,b', 'c"d', 'e\\f', '', 'NULL', null]],
  ['array[true, false]', [true, false]],
  ['array[1::int8, 2]', ['1', '2']],
  ['array[1.5, 2.25]::float8[]', [1.5, 2.25]],
  [`array['{"a": 1}'::jsonb]`, [{ a: 1 }]],
  [`array['\\x00'::bytea]`, [Buffer.from([0])]],
  [`array['2024-01-01 00:00:00+00'::timestamptz]`, [new Date('2024-01-01T00:00:00Z')]],
  [`array['2024-01-01'::date]`, ['2024-01-01']],
]

/** A value that is bound, the type of its placeholder, and the text that the server makes of it. */
const PARAMETERS: readonly [value: unknown, type: string, text: string | null][] = [
  [null, 'int', null],
  [true, 'bool', 'true'],
  [42, 'int', '42'],
  [-0.5, 'float8', '-0.5'],
  [Number.POSITIVE_INFINITY, 'float8', 'Infinity'],
  [9_007_199_254_740_993n, 'int8', '9007199254740993'],
  ['42', 'int', '42'],
  [42, 'text', '42'],
  ['äöü 🐘', 'text', 'äöü 🐘'],
  ['', 'text', ''],
  [Buffer.from([0, 255]), 'bytea', '\\x00ff'],
  [new Uint8Array([1, 2]), 'bytea', '\\x0102'],
  [new Uint8Array([9, 1, 2, 9]).subarray(1, 3), 'bytea', '\\x0102'],
  [new Date('2024-02-29T12:34:56.789Z'), 'timestamptz', '2024-02-29 12:34:56.789+00'],
  [new Date('-000043-03-15T12:00:00Z'), 'timestamptz', '0044-03-15 12:00:00+00 BC'],
  [{ a: [1, 'x'] }, 'jsonb', '{"a": [1, "x"]}'],
  [JSON.stringify([1, 2]), 'jsonb', '[1, 2]'],
  [[1, null, 3], 'int[]', '{1,NULL,3}'],
  [[], 'text[]', '{}'],
  [
    [
      [1, 2],
      [3, 4],
    ],
    'int[]',
    '{{1,2},{3,4}}',
  ],
  [['a,b', 'c"d', 'e\\f', '', 'NULL', null], 'text[]', '{"a,b","c\\"d","e\\\\f","","NULL",NULL}'],
  [[true, false], 'bool[]', '{t,f}'],
  [[{ a: 1 }], 'jsonb[]', '{"{\\"a\\": 1}"}'],
  [[Buffer.from([255])], 'bytea[]', '{"\\\\xff"}'],
  [['2024-01-01'], 'date[]', '{2024-01-01}'],
]

/** What every driver makes of values, both ways. The whole table is in `docs/types.md`. */
export const values: DriverArea = {
  area: 'values',
  cases: [
    {
      title:
        'values of every type are the same JavaScript values, by statement, by named statement and by cursor',
      async run(test) {
        const session = await test.connect({ parameters: { timezone: 'UTC' } })
        for (const [sql, expected] of VALUES) {
          const text = `select ${sql} as v`
          const cursor = session.connection.openCursor({ text })
          const found = [
            (await session.query(text)).rows,
            (await session.query(`${text} where $1`, [true])).rows,
            (await session.query({ text, name: text.slice(0, 60) })).rows,
            (await cursor.read(5)).rows,
          ]
          await cursor.close()
          for (const rows of found) assert.deepEqual(rows, [{ v: expected }], sql)
        }
      },
    },
    {
      title:
        'values that are bound are the same for the server, by statement, by named statement and by cursor',
      async run(test) {
        const session = await test.connect({ parameters: { timezone: 'UTC' } })
        for (const [value, type, expected] of PARAMETERS) {
          const text = `select $1::${type}::text as v`
          const bound = { text, values: [value], rowMode: 'array' as const }
          const cursor = session.connection.openCursor(bound)
          const found = [
            (await session.query(bound)).rows,
            (await session.query({ ...bound, name: `named ${type}` })).rows,
            (await cursor.read(5)).rows,
          ]
          await cursor.close()
          for (const rows of found)
            assert.deepEqual(rows, [[expected]], `${String(value)} as ${type}`)
        }
      },
    },
    {
      title: 'parsers of the context are used in place of the canonical ones, in arrays too',
      async run(test) {
        const parserOf = (oid: number) => (oid === 20 ? BigInt : undefined)
        const session = await test.connect({ types: { parserOf } })
        const text = `select 5::int8 as big, 6 as plain, null::int8 as nothing`
        assert.deepEqual((await session.query(text)).rows, [{ big: 5n, plain: '6', nothing: null }])
      },
    },
    {
      title:
        'a parser that throws fails the statement with executed "yes", and the session goes on',
      async run(test) {
        const parserOf = (oid: number) =>
          oid === 16
            ? () => {
                throw new Error('no booleans today')
              }
            : undefined
        const session = await test.connect({ types: { parserOf } })
        await failureOf(session.query('select true from generate_series(1, 3)'), {
          executed: 'yes',
          message: /no booleans today/,
        })
        assert.deepEqual((await session.query(`select 'x' as s`)).rows, [{ s: 'x' }])
      },
    },
    {
      title:
        'values that cannot be sent are refused with a TypeError that names their place, and the session goes on',
      run: onSession(async (session) => {
        const circular: { self?: unknown } = {}
        circular.self = circular
        const unfit = [undefined, circular, Symbol('s'), () => 1, 'a\0b', new Date(Number.NaN)]
        for (const value of unfit) {
          const call = session.query('select $1::text, $2::text', ['a', value])
          const error = await failureOf(call, { message: /^values\[1\]/ })
          assert.ok(error instanceof TypeError)
        }
        await failureOf(session.query('select $1::int[]', [[1, undefined]]), {
          message: /^values\[0\]\[1\]/,
        })
        assert.deepEqual((await session.query('select $1::text as t', ['a'])).rows, [{ t: 'a' }])
      }),
    },
  ],
}
