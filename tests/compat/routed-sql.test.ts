import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable, Writable } from 'node:stream'
import { ConfigError, isPoolhouseError } from '@poolhouse/core'
import { nodePostgres } from '@poolhouse/node-postgres'
import { postgresJs } from '@poolhouse/postgres-js'
import { createRoutedSql, type RoutedSqlOptions } from '@poolhouse/postgres-js/compat'
import { eq } from 'drizzle-orm'
import { integer, jsonb, pgTable, timestamp } from 'drizzle-orm/pg-core'
import { drizzle } from 'drizzle-orm/postgres-js'
import postgres from 'postgres'
import { afterAll, describe, expect, it } from 'vitest'
import { failureOf } from '../support/failure-of.js'
import { guardProcess } from '../support/process-guards.js'
import { testServer } from '../support/servers/test-server.js'

guardProcess()
const server = testServer()
const open = server.poolsOver(postgresJs())
const routed = (options?: RoutedSqlOptions): postgres.Sql => createRoutedSql(open(), options)

const plains: postgres.Sql[] = []
function plainSql(options: RoutedSqlOptions = {}): postgres.Sql {
  const { types, transform } = options
  const given = {
    max: 3,
    onnotice: () => undefined,
    ...(types && { types }),
    ...(transform && { transform }),
  }
  const sql = postgres(server.url, given as postgres.Options<Record<string, postgres.PostgresType>>)
  plains.push(sql as postgres.Sql)
  return sql as postgres.Sql
}
afterAll(async () => {
  await Promise.all(plains.map((sql) => sql.end()))
})

type List = postgres.RowList<postgres.Row[]>

/** What postgres.js documents of a result. */
function shown(result: unknown): unknown {
  if (typeof result !== 'object' || result === null) return result
  if (!('command' in result)) return Array.isArray(result) ? result.map(shown) : result
  const list = result as List & { statement?: { string: string; types: number[] } }
  return {
    rows: [...list],
    count: list.count,
    command: list.command,
    columns: list.columns?.map(({ name, type }) => ({ name, type })),
    string: list.statement?.string,
  }
}

const TABLE = 'create temp table if not exists things (id int, name text, data jsonb, tags text[])'

describe('a routed sql, against postgres.js itself', () => {
  const queries: readonly (readonly [string, (sql: postgres.Sql) => Promise<unknown>])[] = [
    ['a tagged template', (sql) => sql`select ${1}::int + ${2}::int as sum, ${'x'} as t`],
    [
      'rows of several types',
      (sql) =>
        sql`select 1 as n, 'x' as t, now() > 'epoch' as b, null as nothing, '{1,2}'::int[] as list, '{"a":1}'::jsonb as j, 1::int8 as big, 1.5::numeric as num, '2020-01-01'::date as d, '\\x01ff'::bytea as bytes, '{{a,"b \\" c"},{d,"}"}}'::text[] as texts, '(1,2),(3,4)'::box as box`,
    ],
    [
      'values whose types postgres.js infers',
      (sql) =>
        sql`select ${true} as b, ${new Date(0)} as at, ${'12'}::int8 as big, ${Buffer.from('hi')} as bytes, ${null} as nothing`,
    ],
    [
      'values whose types the server says',
      (sql) =>
        sql`select ${'{"a":1}'}::jsonb as text, ${sql.json({ a: [1] })} as json, ${'2020-01-01'}::date as day, ${3}::numeric as num, ${['a', 'b"c']}::text[] as texts, ${sql.array([1, 2])} as numbers, ${sql.typed('7', 23)} as typed`,
    ],
    [
      'fragments, identifiers and helpers',
      (sql) =>
        sql`with things(id, name) as (values ${sql([
          [1, 'a'],
          [2, 'b'],
        ])}) select ${sql(['id', 'name'])} from things where ${sql('id')} in ${sql([1, 2, 3])} ${sql`and name <> ${'c'}`} ${sql``} ${[sql`and true`, sql`and id > ${0}`]} order by 1`,
    ],
    ['.values()', (sql) => sql`select 1 as a, 'x' as a`.values()],
    ['.raw()', (sql) => sql`select 1 as a, null as b, 'é' as c`.raw()],
    ['.simple()', (sql) => sql`select 1 as a; select 2 as b`.simple()],
    ['unsafe without values', (sql) => sql.unsafe('select 1 as a, 2 as a')],
    ['unsafe with values', (sql) => sql.unsafe('select $1::int + $2 as sum', [1, 2])],
    ['unsafe with several statements', (sql) => sql.unsafe('select 1 as a; select 2 as b, 3 as c')],
    ['a command', (sql) => sql.unsafe('set application_name to default').simple()],
    ['no rows', (sql) => sql`select 1 as a where false`],
    ['an empty in', (sql) => sql`select 1 as a where 1 in ${sql([])}`],
    ['notify', (sql) => sql.notify('no_listener', 'x') as unknown as Promise<unknown>],
    [
      '.describe()',
      async (sql) => {
        const described = await sql`select ${1}::int as n, ${'x'}::jsonb as j`.describe()
        const { string, types, columns } = described
        return [string, types, columns.map(({ name, type }) => ({ name, type }))]
      },
    ],
    [
      'writes in a transaction',
      (sql) =>
        sql.begin(async (tx) => {
          await tx.unsafe(TABLE)
          const rows = [
            { id: 1, name: 'a', data: tx.json({ a: 1 }), tags: ['x'] },
            { id: 2, name: 'b', data: tx.json([1]), tags: [] as string[] },
          ]
          const inserted = await tx`insert into things ${tx(rows)} returning *`
          const changed =
            await tx`update things set ${tx({ name: 'c', data: null }, 'name', 'data')} where id = ${2}`
          const all = await tx`select * from things order by id`
          await tx`drop table things`
          return [inserted, changed, all]
        }),
    ],
    [
      'a list of queries in a transaction',
      (sql) => sql.begin((tx) => [tx`select 1 as a`, tx`select 2 as b`]),
    ],
    [
      'a savepoint that fails',
      (sql) =>
        sql.begin(async (tx) => {
          const failed = await tx
            .savepoint((inner) => inner`select 1/0`)
            .catch((error) => error.code)
          return [await tx`select ${failed} as failed`]
        }),
    ],
    [
      'a reserved connection',
      async (sql) => {
        const reserved = await sql.reserve()
        try {
          await reserved`select set_config('app.x', '1', false)`
          return await reserved`select current_setting('app.x') as x`
        } finally {
          reserved.release()
        }
      },
    ],
  ]

  it.each(queries)('returns the same for %s', async (_what, run) => {
    const plain = plainSql()
    // Its first query does not know the array types yet.
    await plain`select 1`
    expect(shown(await run(routed()))).toEqual(shown(await run(plain)))
  })

  const changes: readonly (readonly [string, RoutedSqlOptions])[] = [
    ['postgres.camel', { transform: postgres.camel }],
    ['of undefined', { transform: { undefined: null } }],
    [
      'of values and rows',
      {
        transform: {
          value: { from: (value: unknown) => (value === 1 ? 'one' : value) },
          row: { from: (row: object) => ({ ...row, row: true }) },
          column: { from: (name: string) => `${name}_` },
        },
      },
    ],
  ]
  it.each(changes)('applies the transform %s', async (_what, options) => {
    const run = (sql: postgres.Sql) =>
      sql`select 1 as the_number, ${undefined as never}::text as nothing, '{"in_side":1}'::jsonb as the_json`.catch(
        (error: unknown) => [(error as { code: string }).code] as unknown as List,
      )
    expect(shown(await run(routed(options)))).toEqual(shown(await run(plainSql(options))))
  })

  it('reads and writes the types of the application', async () => {
    const types = {
      point: {
        to: 600,
        from: [600],
        serialize: ({ x, y }: { x: number; y: number }) => `(${x},${y})`,
        parse: (text: string) => text.slice(1, -1).split(','),
      },
    }
    const run = (sql: postgres.Sql) => {
      const { point } = sql.typed as unknown as { point(value: object): postgres.Parameter }
      return sql`select ${point({ x: 1, y: 2 })} as p, '{"(3,4)"}'::point[] as list`
    }
    expect(shown(await run(routed({ types })))).toEqual(shown(await run(plainSql({ types }))))
  })

  it('reads with parsers that a library sets in its options, as Drizzle does', async () => {
    const sql = routed()
    sql.options.parsers[1114] = (value: string) => `text ${value}`
    sql.options.serializers[1114] = (value: unknown) => String(value)
    const [row] = await sql`select ${'2020-01-01 00:00:00'}::timestamp as at`
    expect(row).toEqual({ at: 'text 2020-01-01 00:00:00' })
  })

  it('gives rows to forEach, and batches to a cursor that may end early', async () => {
    const sql = routed()
    const numbers: number[] = []
    const result = await sql`select generate_series(1, 3) as n`.forEach(({ n }) => {
      numbers.push(n)
    })
    expect([numbers, result.count]).toEqual([[1, 2, 3], 3])
    const batches: number[][] = []
    for await (const rows of sql`select generate_series(1, ${5}) as n`.cursor(2)) {
      batches.push(rows.map(({ n }) => n))
    }
    expect(batches).toEqual([[1, 2], [3, 4], [5]])
    const some: number[] = []
    await sql`select generate_series(1, 1000000) as n`.cursor(10, (rows) => {
      some.push(rows.length)
      return some.length === 2 ? sql.CLOSE : undefined
    })
    expect(some).toEqual([10, 10])
    for await (const [row] of sql`select generate_series(1, 1000) as n`.cursor()) {
      if (row?.['n'] === 2) break
    }
    await sql.begin(async (tx) => {
      for await (const [row] of tx`select generate_series(1, 2) as n`.cursor(1))
        expect(row).toBeDefined()
    })
  })

  it('copies in both directions', async () => {
    const sql = routed()
    await sql`create table copied (n int)`
    const to = (await sql`copy copied from stdin`.writable()) as Writable
    to.write('1\n')
    to.end('2\n3\n')
    await once(to, 'finish')
    const from = (await sql`copy copied to stdout`.readable()) as Readable
    const chunks: Buffer[] = []
    for await (const chunk of from) chunks.push(chunk as Buffer)
    expect(Buffer.concat(chunks).toString()).toBe('1\n2\n3\n')
    const broken = (await sql`copy copied from stdin`.writable()) as Writable
    broken.end('no number\n')
    const [error] = (await once(broken, 'error')) as [{ code: string }]
    expect(error.code).toBe('22P02')
    const refused = await failureOf(
      Promise.resolve(sql`copy missing to stdout`.readable()).then((s) => once(s as never, 'end')),
    )
    expect(refused).toMatchObject({ code: '42P01' })
    await sql`drop table copied`
  })

  it('listens until it is told not to', async () => {
    const sql = routed()
    const heard: string[] = []
    let listening = 0
    const { unlisten } = await sql.listen(
      'news',
      (text) => heard.push(text),
      () => listening++,
    )
    await sql.notify('news', 'one')
    await expect.poll(() => heard).toEqual(['one'])
    await unlisten()
    await sql.notify('news', 'two')
    await sql`select pg_sleep(0.05)`
    expect([heard, listening]).toEqual([['one'], 1])
  })

  it('runs files', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'sql-'))
    try {
      const file = join(folder, 'one.sql')
      await writeFile(file, 'select $1::int as n')
      expect([...(await routed().file(file, [7]))]).toEqual([{ n: 7 }])
      const missing = await failureOf(Promise.resolve(routed().file(join(folder, 'no.sql'))))
      expect(missing).toMatchObject({ code: 'ENOENT' })
    } finally {
      await rm(folder, { recursive: true })
    }
  })
})

describe('a routed sql under Drizzle', () => {
  it('reads and writes what Drizzle encodes itself, also in transactions with savepoints', async () => {
    const sql = routed()
    await sql`create table things (id int primary key, data jsonb, at timestamptz)`
    const things = pgTable('things', {
      id: integer().primaryKey(),
      data: jsonb(),
      at: timestamp({ withTimezone: true }),
    })
    const db = drizzle(sql)
    const at = new Date(0)
    await db.insert(things).values({ id: 1, data: { a: [1, 'x'] }, at })
    await db.transaction(async (tx) => {
      await tx.insert(things).values({ id: 2, data: 'text', at: null })
      const inner = tx.transaction(async (nested) => {
        await nested.insert(things).values({ id: 3, data: null, at })
        nested.rollback()
      })
      await failureOf(inner)
    })
    expect(await db.select().from(things).where(eq(things.id, 1))).toEqual([
      { id: 1, data: { a: [1, 'x'] }, at },
    ])
    expect(await db.$count(things)).toBe(2)
    await sql`drop table things`
  })
})

describe('errors of a routed sql', () => {
  it('are those of postgres.js, and say as ours what was executed', async () => {
    const sql = routed()
    const error = await failureOf<postgres.PostgresError & { executed: string; node: string }>(
      Promise.resolve(sql`select ${'a'}::int`),
    )
    expect(error).toBeInstanceOf(postgres.PostgresError)
    expect(error).toMatchObject({ name: 'PostgresError', code: '22P02', severity: 'ERROR' })
    expect(error.stack).toContain('routed-sql.test.ts')
    expect(isPoolhouseError(error)).toBe(true)
    expect(['no', 'rolled-back']).toContain(error.executed)
    expect(error.node).toBeTypeOf('string')
    expect(Object.keys(error)).not.toContain('parameters')
    const shown = await failureOf<Error & { query: string }>(
      Promise.resolve(routed({ debug: true })`select ${1}::int / 0`),
    )
    expect(shown.query).toBe('select $1::int / 0')
    expect(Object.keys(shown)).toContain('query')
  })

  it('of undefined values come before anything is sent', async () => {
    const sql = routed()
    const error = await failureOf(Promise.resolve(sql`select ${undefined as never}`))
    expect(error).toMatchObject({ code: 'UNDEFINED_VALUE' })
  })

  it('of a cancelled query have the code of the server', async () => {
    const sql = routed()
    const query = sql`select pg_sleep(60)`
    const failed = failureOf(Promise.resolve(query))
    await expect
      .poll(
        async () =>
          (
            await sql`select 1 from pg_stat_activity where query = 'select pg_sleep(60)' and state = 'active'`
          ).length,
      )
      .toBe(1)
    await query.cancel()
    expect(await failed).toMatchObject({ name: 'PostgresError', code: '57014' })
    const waiting = sql`select 1`
    waiting.cancel()
    expect(await failureOf(Promise.resolve(waiting))).toMatchObject({ code: '57014' })
  })

  it('of a lost connection have the code of postgres.js', async () => {
    const sql = routed()
    const error = await failureOf(
      Promise.resolve(sql`select pg_terminate_backend(pg_backend_pid())`),
    )
    expect(error).toMatchObject({ code: 'CONNECTION_CLOSED', executed: 'unknown' })
    expect([...(await sql`select 1 as n`)]).toEqual([{ n: 1 }])
  })

  it('make a transaction fail, whatever its work makes of them', async () => {
    const sql = routed()
    const failed = await failureOf(
      sql.begin(async (tx) => {
        await tx`select 1/0`.catch(() => undefined)
        return 'fine'
      }),
    )
    expect(failed).toMatchObject({ code: '22012' })
    const own = new Error('mine')
    expect(await failureOf(sql.begin(() => Promise.reject(own)))).toBe(own)
    expect(await failureOf(sql.begin('isolation level read uncommited', () => 1))).toMatchObject({
      name: 'TypeError',
      message: expect.stringContaining('"isolation level read uncommited"'),
    })
  })

  it('of what cannot be routed say what to do', async () => {
    const sql = routed() as postgres.Sql & { close(): Promise<void> }
    for (const refused of [sql.close(), sql.subscribe('*', () => undefined), sql.largeObject()]) {
      expect(await failureOf(refused)).toMatchObject({
        name: 'TypeError',
        message: /does not work on a routed sql: /,
      })
    }
    expect(await failureOf(Promise.resolve(sql`begin`))).toMatchObject({ name: 'TransactionError' })
  })
})

describe('createRoutedSql', () => {
  it('T92: refuses pools of another driver, and options that it does not know', () => {
    const pool = server.poolsOver(nodePostgres())()
    expect(() => createRoutedSql(pool)).toThrow(ConfigError)
    expect(() => createRoutedSql(pool)).toThrow(
      /over the driver "pg"; only connections of postgresJs/,
    )
    expect(() => createRoutedSql(plainSql() as never)).toThrow(/must be a pool of Poolhouse/)
    expect(() => createRoutedSql(open(), { tranform: {} } as never)).toThrow(
      /did you mean "transform"/,
    )
    expect(() => createRoutedSql(open(), { reads: 'replica' as never })).toThrow(
      /"auto", "primary"/,
    )
    expect(() => createRoutedSql(open(), { postgres: plainSql() as never })).toThrow(
      /not an instance/,
    )
  })

  it('T92: refuses a postgres.js whose inside is not the tried one', () => {
    const other = Object.assign(
      (options: object) => {
        const sql = postgres(options as never)
        return Object.assign(() => ({ then: () => undefined }), sql)
      },
      { PostgresError: postgres.PostgresError as unknown },
    )
    expect(() => createRoutedSql(open(), { postgres: other as never })).toThrow(
      /has not been tried with it.*install postgres@3\.4\.9/,
    )
  })

  it('ends its pool', async () => {
    const pool = open()
    const sql = createRoutedSql(pool)
    await sql`select 1`
    await sql.end({ timeout: 5 })
    expect(await failureOf(Promise.resolve(sql`select 1`))).toMatchObject({
      code: 'CONNECTION_ENDED',
    })
  })
})
