import {
  type ConnectionPool,
  createPool,
  type Driver,
  type PoolOptions,
  type TypesOption,
} from '@poolhouse/core'
import { nodePostgres } from '@poolhouse/node-postgres'
import { postgresJs } from '@poolhouse/postgres-js'
import { type Cluster, startCluster } from '@poolhouse/testkit'
import { afterAll, afterEach, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import { type Far, farAway } from '../support/far-away.js'
import { allTypes, otherValues } from './all-types.js'

const DRIVERS: readonly (readonly [name: string, driver: () => Driver])[] = [
  ['pg', nodePostgres],
  ['postgres.js', postgresJs],
]

let cluster: Cluster
let far: Far
beforeAll(async () => {
  cluster = await startCluster({ replicas: 0 })
  far = await farAway(cluster.primary.url)
})
afterAll(async () => {
  await far?.[Symbol.asyncDispose]()
  await cluster?.stop()
})
afterEach(() => {
  vi.unstubAllEnvs()
})

test('the table of types has every type that the server has arrays of', async () => {
  const rows = await cluster.primary.sql<{ name: string }>(
    `select format_type(oid, null) as name from pg_type
     where typtype in ('b', 'r', 'm') and typarray <> 0 and oid < 10000 and typname <> 'gtsvector'`,
  )
  expect(allTypes.map(({ type }) => type).sort()).toEqual(rows.map(({ name }) => name).sort())
})

describe.each(DRIVERS)('over %s', (_name, makeDriver) => {
  function openPool(options: Partial<PoolOptions> = {}): ConnectionPool {
    const pool = createPool({
      driver: makeDriver(),
      connection: place(),
      name: 'types',
      max: 1,
      ...options,
    })
    onTestFinished(() => pool.close({ timeoutMs: 0 }))
    return pool
  }

  /** The only value of the only row. */
  async function ask(
    pool: Pick<ConnectionPool, 'query'>,
    text: string,
    values?: readonly unknown[],
  ) {
    const { rows } = await pool.query<[unknown]>({ text, values, rowMode: 'array' })
    return rows[0]?.[0]
  }

  test('a value of every type is what the table says, alone and in arrays of any shape', async () => {
    const pool = openPool()
    for (const { type, text, value } of allTypes) {
      const one = `'${text.replaceAll("'", "''")}'::${type}`
      const { rows } = await pool.query(
        `select ${one} as one, null::${type} as nothing, array[${one}, null]::${type}[] as line,
           array[array[${one}], array[${one}]]::${type}[] as square, '{}'::${type}[] as bare,
           ('[3:4]=' || array[${one}, ${one}]::${type}[]::text)::${type}[] as shifted`,
      )
      expect(rows, type).toStrictEqual([
        {
          one: value,
          nothing: null,
          line: [value, null],
          square: [[value], [value]],
          bare: [],
          shifted: [value, value],
        },
      ])
    }
  })

  test.each(otherValues)('%s is what the table says', async (sql, value) => {
    expect(await ask(openPool(), `select ${sql}`)).toStrictEqual(value)
  })

  test('the shape of the row changes no value', async () => {
    const pool = openPool()
    const text = `select 1 as a, 2::int8 as b, '{t,f}'::bool[] as c, $1::numeric as d, null as e`
    const values = ['1.10']
    const objects = await pool.query({ text, values })
    const arrays = await pool.query({ text, values, rowMode: 'array' })
    const named = await pool.query({ text, values, name: 'shapes' })
    const expected = { a: 1, b: '2', c: [true, false], d: '1.10', e: null }
    expect(objects.rows).toStrictEqual([expected])
    expect(named.rows).toStrictEqual([expected])
    expect(arrays.rows).toStrictEqual([Object.values(expected)])
  })

  test('a type of the user is text, and so are its arrays; a domain is what it is made of', async () => {
    const pool = openPool()
    await pool.query(`create schema mine`)
    onTestFinished(async () => {
      await cluster.primary.sql('drop schema mine cascade')
    })
    await pool.query(`create type mine.mood as enum ('so-so', 'ok')`)
    await pool.query(`create type mine.pair as (a int, b text)`)
    await pool.query(`create domain mine.age as int check (value >= 0)`)
    const { rows } = await pool.query(
      `select 'ok'::mine.mood as mood, array['ok', null]::mine.mood[] as moods,
         row(1, 'x y')::mine.pair as pair, 7::mine.age as age, array[7]::mine.age[] as ages`,
    )
    expect(rows).toStrictEqual([
      { mood: 'ok', moods: '{ok,NULL}', pair: '(1,"x y")', age: 7, ages: '{7}' },
    ])
  })

  test.each(['SQL, MDY', 'SQL, DMY', 'Postgres, MDY', 'German'])(
    'with DateStyle %s no instant is wrong: the text is the value',
    async (style) => {
      await openPool().use(async (lease) => {
        await lease.query(`set datestyle = '${style}'`)
        await lease.query(`set timezone = 'America/New_York'`)
        const sql = `'2026-02-01 12:00:00.5+00'`
        const { rows } = await lease.query<Record<string, unknown>>(
          `select ${sql}::timestamptz as z, ${sql}::timestamptz::text as "zText",
             ${sql}::timestamp as t, ${sql}::timestamp::text as "tText",
             array[${sql}::timestamptz] as a`,
        )
        const { z, zText, t, tText, a } = rows[0]!
        expect({ z, t, a }).toStrictEqual({ z: zText, t: tText, a: [zText] })
      })
    },
  )

  test('no DateStyle or time zone changes what is sent', async () => {
    const date = new Date('2026-02-01T12:00:00.500Z')
    await openPool().use(async (lease) => {
      for (const style of ['ISO, DMY', 'SQL, DMY', 'German', 'ISO, MDY']) {
        await lease.query(`set datestyle = '${style}'`)
        await lease.query(`set timezone = 'Asia/Kolkata'`)
        expect(await ask(lease, `select extract(epoch from $1::timestamptz)::float8`, [date])).toBe(
          date.getTime() / 1_000,
        )
      }
    })
  })

  test.each(['UTC', 'America/New_York', 'Asia/Kolkata', 'Pacific/Apia', 'Africa/Monrovia'])(
    'a Date comes back from timestamp and timestamptz as it was sent, in %s',
    async (zone) => {
      vi.stubEnv('TZ', zone)
      const pool = openPool({
        connection: { ...place(), parameters: { timezone: 'Asia/Tokyo' } },
      })
      const dates = [
        new Date(0),
        new Date(2026, 0, 31, 23, 59, 59, 999),
        new Date('2026-07-01T00:00:00.001Z'),
        new Date('1883-01-01T12:00:00Z'),
        new Date('0099-12-31T12:00:00Z'),
        new Date('0001-06-01T12:00:00Z'),
        new Date('-000043-03-15T12:00:00Z'),
        new Date('-004712-06-01T00:00:00Z'),
        new Date('+012026-01-31T12:00:00Z'),
        new Date('+275000-01-01T00:00:00Z'),
      ]
      const { rows } = await pool.query(
        `select $1::timestamptz[] as z, $2::timestamp[] as t,
           $3::timestamptz as one, $4::timestamp as local, $5::date as day`,
        [dates, dates, dates[1], dates[1], new Date(2026, 0, 31)],
      )
      expect(rows).toStrictEqual([
        { z: dates, t: dates, one: dates[1], local: dates[1], day: '2026-01-31' },
      ])
    },
  )

  test.each<[type: string, sent: unknown, value: unknown]>([
    ['text', 'a "b" \\ {c} é😀', 'a "b" \\ {c} é😀'],
    ['text', '', ''],
    ['text', 12.5, '12.5'],
    ['text', true, 'true'],
    ['text', null, null],
    ['int4', 42, 42],
    ['int4', '42', 42],
    ['int8', 2n ** 63n - 1n, '9223372036854775807'],
    ['numeric', '0.10000000000000000000001', '0.10000000000000000000001'],
    ['numeric', Number.NaN, 'NaN'],
    ['float8', 0.1, 0.1],
    ['float8', Number.NaN, Number.NaN],
    ['float8', Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY],
    ['float8', Number.MAX_VALUE, Number.MAX_VALUE],
    ['bool', false, false],
    ['bool', Object(true), true],
    ['timestamptz', Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY],
    ['timestamp', Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY],
    ['bytea', Buffer.from([0, 92, 255]), Buffer.from([0, 92, 255])],
    ['bytea', new Uint8Array(0), Buffer.alloc(0)],
    ['text', Buffer.from('a'), '\\x61'],
    ['jsonb', { a: ['b"\\', null] }, { a: ['b"\\', null] }],
    ['jsonb', JSON.stringify([1, 'a']), [1, 'a']],
    ['json', 'null', null],
    ['jsonb', true, true],
    ['jsonb', { toJSON: () => 1 }, 1],
    [
      'text[]',
      ['a', null, '', 'NULL', '"', '\\', '{,}', ' '],
      ['a', null, '', 'NULL', '"', '\\', '{,}', ' '],
    ],
    [
      'int4[]',
      [
        [1, 2],
        [3, null],
      ],
      [
        [1, 2],
        [3, null],
      ],
    ],
    ['int4[]', [], []],
    ['int8[]', [1n, null], ['1', null]],
    ['bool[]', [true, false], [true, false]],
    ['float8[]', [Number.NaN, 0.5], [Number.NaN, 0.5]],
    ['bytea[]', [Buffer.from([0, 34, 92]), null], [Buffer.from([0, 34, 92]), null]],
    ['jsonb[]', [{ a: '"\\' }, null], [{ a: '"\\' }, null]],
    ['timestamptz[]', [new Date(5)], [new Date(5)]],
    ['int4[]', [[[[[[1]]]]]], [[[[[[1]]]]]]],
    ['point', { toPostgres: () => '(1,2)' }, '(1,2)'],
    ['point[]', [{ toPostgres: () => '(1,2)' }], ['(1,2)']],
    ['int4[]', { toPostgres: () => [1, 2] }, [1, 2]],
    ['box[]', '{(1,1),(0,0);(3,3),(2,2)}', ['(1,1),(0,0)', '(3,3),(2,2)']],
  ])('a value for %s comes back: %o', async (type, sent, value) => {
    const pool = openPool()
    const text = `select $1::${type}`
    expect(await ask(pool, text, [sent])).toStrictEqual(value)
    const named = { text: `select $1::${type} as v`, values: [sent], name: 'by name' }
    expect((await pool.query(named)).rows).toStrictEqual([{ v: value }])
  })

  test('a ragged array is refused by the server, and one with seven dimensions before it', async () => {
    const pool = openPool()
    const ragged = ask(pool, 'select $1::int[]', [[[1, 2], [3]]])
    await expect(ragged).rejects.toMatchObject({ name: 'DatabaseError', code: '22P02' })
    await expect(ask(pool, 'select $1::int[]', [[[[[[[[1]]]]]]]])).rejects.toThrow(RangeError)
  })

  test('as many values as the table says can be sent, and one more cannot', async () => {
    const pool = openPool()
    const values = Array.from({ length: 65_533 }, (_, index) => index)
    const places = values.map((index) => `$${index + 1}`).join(',')
    expect(await ask(pool, `select cardinality(array[${places}]::int[])`, values)).toBe(65_533)
    await expect(ask(pool, 'select 1', [...values, 1])).rejects.toThrow(
      'a statement takes at most 65533 values, got 65534',
    )
  })

  describe('overrides', () => {
    const types: TypesOption = {
      bigint: BigInt,
      numeric: Number,
      date: (text) => text.split('-').map(Number),
      'text[]': (text) => `array ${text}`,
      2249: (text) => text.slice(1, -1),
    }
    const text = `select 1::int8 as big, array[2::int8, null] as bigs, 1.5 as n, '2026-01-31'::date as d,
      array['a'] as t, 'a' as plain, row(1, 2) as r, null::int8 as nothing`
    const expected = {
      big: 1n,
      bigs: [2n, null],
      n: 1.5,
      d: [2026, 1, 31],
      t: 'array {a}',
      plain: 'a',
      r: '1,2',
      nothing: null,
    }

    test('are used for every shape of row, with values and without', async () => {
      const pool = openPool({ types })
      for (let round = 0; round < 5; round++) {
        expect((await pool.query(text)).rows).toStrictEqual([expected])
        expect((await pool.query(`${text} where $1`, [true])).rows).toStrictEqual([expected])
        const arrays = await pool.query({ text, rowMode: 'array' })
        expect(arrays.rows).toStrictEqual([Object.values(expected)])
      }
    })

    test('are used for streamed rows as well', async () => {
      const rows: unknown[] = []
      for await (const row of openPool({ types }).stream(text)) rows.push(row)
      expect(rows).toStrictEqual([expected])
    })

    test('of one pool are not those of another', async () => {
      openPool({ types })
      expect(await ask(openPool(), 'select 1::int8')).toBe('1')
    })
  })
})

/** Where the server is, without a password, which it does not ask for. */
function place(): { host: string; port: number; user: string; database: string } {
  const { hostname: host, port, username: user, pathname } = new URL(far.url)
  return { host, port: Number(port), user, database: pathname.slice(1) }
}
