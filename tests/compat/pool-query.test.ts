import { isPoolhouseError, type PoolOptions } from '@poolhouse/core'
import { nodePostgres } from '@poolhouse/node-postgres'
import { createPgPool } from '@poolhouse/node-postgres/compat'
import pg from 'pg'
import { afterAll, describe, expect, it } from 'vitest'
import { failureOf } from '../support/failure-of.js'
import { guardProcess } from '../support/process-guards.js'
import { testServer } from '../support/servers/test-server.js'

guardProcess()
const server = testServer()
const open = server.poolsOver(nodePostgres())
const makePool = (options: Partial<PoolOptions> = {}): pg.Pool => createPgPool(open(options))

let plain: pg.Pool | undefined
const plainPool = (): pg.Pool => {
  plain ??= new pg.Pool({ connectionString: server.url })
  return plain
}
afterAll(() => plain?.end())

/** The properties that `pg` documents. */
function shown({ rows, rowCount, command, oid, fields }: pg.QueryResult): object {
  return { rows, rowCount, command, oid, fields: fields.map((field) => ({ ...field })) }
}

describe('a pool made by createPgPool', () => {
  it('is a pg.Pool of the class BoundPool', () => {
    const pool = makePool()
    expect(pool).toBeInstanceOf(pg.Pool)
    expect(pool.constructor.name).toBe('BoundPool')
    expect(Object.getPrototypeOf(pool)).not.toBe(pg.Pool.prototype)
  })

  it.each([
    {
      what: 'rows of several types',
      ask: [
        `select 1 as n, 'x' as t, now() > 'epoch' as b, null as nothing, '{1,2}'::int[] as list, '{"a":1}'::jsonb as j, 1::int8 as big, 1.5::numeric as num, '2020-01-01'::date as d, '\\x01ff'::bytea as bytes`,
      ],
    },
    { what: 'two columns of one name', ask: ['select 1 as n, 2 as n'] },
    { what: 'no rows', ask: ['select 1 as n where false'] },
    { what: 'no columns', ask: ['select'] },
    { what: 'an empty text', ask: [''] },
    {
      what: 'values',
      ask: ['select $1::int + $2::int as sum, $3::text as t', [1, '2', undefined]],
    },
    {
      what: 'dates, arrays and objects as values',
      ask: [
        'select $1::timestamptz as at, $2::text[] as list, $3::jsonb as j',
        [new Date(0), ['a', null, 'c"'], { a: [1] }],
      ],
    },
    {
      what: 'bytes as values, also where the server takes them for a text',
      ask: [
        'select $1::bytea as b, $2::text as t, $3::json as j, md5($4) as m',
        [Buffer.from('fig'), Buffer.from('kiwi'), Buffer.from('{"a":1}'), new Uint8Array([65])],
      ],
    },
    {
      what: 'rowMode',
      ask: [{ text: 'select 1 as n, 2 as n, null as nothing', rowMode: 'array' }],
    },
    { what: 'a name', ask: [{ name: 'sum', text: 'select $1::int + 1 as n', values: [1] }] },
    {
      what: 'types of one query',
      ask: [
        { text: 'select 1 as n', types: { getTypeParser: () => (text: string) => `<${text}>` } },
      ],
    },
    { what: 'values beside a config', ask: [{ text: 'select $1::int as n' }, [7]] },
    {
      what: 'an insert',
      ask: ['with made as (select 1) insert into compat_fruit select $1', ['fig']],
    },
    {
      what: 'a command of several words',
      ask: ['create temp table if not exists compat_temp (n int)'],
    },
    { what: 'several statements', ask: ['select 1 as n; select 2 as m, 3 as o'] },
    { what: 'a table with its columns', ask: ['select * from compat_fruit limit 0'] },
  ])('answers like pg.Pool: $what', async ({ ask }) => {
    const other = plainPool()
    await other.query('create table if not exists compat_fruit (name varchar(10))')
    const pool = makePool()
    const expected: unknown = await other.query(...(ask as [string]))
    // The second time the statement is prepared, the third time its columns are known.
    for (let round = 0; round < 4; round++) {
      const found: unknown = await pool.query(...(ask as [string]))
      if (Array.isArray(expected)) {
        expect((found as pg.QueryResult[]).map(shown)).toEqual(expected.map(shown))
      } else {
        expect(shown(found as pg.QueryResult)).toEqual(shown(expected as pg.QueryResult))
        expect(found).toBeInstanceOf(pg.Result)
      }
    }
  })

  it('calls back like pg.Pool, later and with undefined in place of an error', async () => {
    const pool = makePool()
    let isLater = false
    const [error, result] = await new Promise<[unknown, pg.QueryResult]>((resolve) => {
      const returned: unknown = pool.query('select $1::int as n', [1], (...told) => resolve(told))
      expect(returned).toBeUndefined()
      isLater = true
    })
    expect(isLater).toBe(true)
    expect(error).toBeUndefined()
    expect(result.rows).toEqual([{ n: 1 }])
  })

  it('rejects, and does not throw, when a value cannot be written', async () => {
    const broken = {
      toPostgres: () => {
        throw new Error('broken')
      },
    }
    const pool = makePool()
    const expected = await failureOf(plainPool().query('select $1::text', [broken]))
    for (const ask of ['select $1::text', { text: 'select $1::text' }]) {
      const asked = pool.query(ask as string, [broken])
      expect((await failureOf(asked)).message).toBe(expected.message)
    }
  })

  it('rejects with an instance of pg.DatabaseError that is an error of Poolhouse too', async () => {
    const pool = makePool({ name: 'compat-errors' })
    const statement = 'select missing from nowhere'
    const expected = await failureOf(plainPool().query(statement))
    const error = await failureOf(pool.query(statement))
    expect(error).toBeInstanceOf(pg.DatabaseError)
    expect(error.constructor).toBe(pg.DatabaseError)
    const ours = { executed: undefined, retryable: undefined, statement: undefined }
    expect({ ...error, ...ours }).toEqual({ ...expected, ...ours })
    expect(error.name).toBe(expected.name)
    expect(isPoolhouseError(error)).toBe(true)
    expect(error).toMatchObject({ executed: 'rolled-back', node: 'compat-errors', code: '42P01' })
    expect(error).toHaveProperty('statement', statement)
    expect(error.stack).toContain('pool-query.test.ts')
  })

  it('says what to do about BEGIN, which a library sends that takes the pool for a client', async () => {
    const error = await failureOf(makePool().query('BEGIN'))
    expect(error).toMatchObject({ name: 'TransactionError', executed: 'no' })
    expect(error.message).toContain('take a client with pool.connect()')
  })

  it('T91: rejects, and does not throw, where the method of a value throws', async () => {
    const value = {
      toJSON() {
        throw new Error('mine')
      },
    }
    const call = makePool().query('select $1::json as j', [value])
    await expect(call).rejects.toThrow('mine')
  })

  it('closes the pool under it when the last facade over it has ended', async () => {
    const core = open({})
    const [one, two] = [createPgPool(core), createPgPool(core)]
    const client = await one.connect()
    const ending = one.end()
    await expect(one.query('select 1')).rejects.toThrow('after calling end on the pool')
    await expect(one.connect()).rejects.toThrow('after calling end on the pool')
    await expect(one.end()).rejects.toThrow('Called end on pool more than once')
    expect([one.ending, one.ended]).toEqual([true, false])
    expect((await client.query('select 1 as n')).rows).toEqual([{ n: 1 }])
    client.release()
    await ending
    expect(one.ended).toBe(true)
    expect((await two.query('select 2 as n')).rows).toEqual([{ n: 2 }])
    expect(two.totalCount).toBe(1)
    await two.end()
    expect([two.totalCount, two.idleCount, two.waitingCount]).toEqual([0, 0, 0])
    await expect(core.query('select 1')).rejects.toMatchObject({ name: 'PoolClosedError' })
  })
})
