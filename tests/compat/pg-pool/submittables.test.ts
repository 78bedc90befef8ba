import { once } from 'node:events'
import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'
import pg from 'pg'
import { from, to } from 'pg-copy-streams'
import Cursor from 'pg-cursor'
import QueryStream from 'pg-query-stream'
import { expect, test } from 'vitest'
import { failureOf } from '../../support/failure-of.js'
import { guardProcess } from '../../support/process-guards.js'
import { until } from '../../support/until.js'
import { ALL, describePgPools } from '../support/pg-pools.js'

guardProcess()

describePgPools(ALL, ({ make, isOurs, kind }) => {
  test('gives a cursor back from query at once, and reads it', async () => {
    const pool = make({ max: 1 })
    const client = await pool.connect()
    const cursor = new Cursor<{ n: number }>('select n from generate_series(1, 5) as n')
    expect(client.query(cursor)).toBe(cursor)
    const order: string[] = []
    const behind = client
      .query('select 6 as n')
      .then(({ rows }) => order.push(`query ${rows[0].n}`))
    const read: unknown[] = []
    for (let rows = await cursor.read(2); rows.length > 0; rows = await cursor.read(2)) {
      read.push(...rows.map(({ n }) => n))
      if (read.length === 5) order.push('cursor')
    }
    await behind
    expect([read, order]).toEqual([
      [1, 2, 3, 4, 5],
      ['cursor', 'query 6'],
    ])
    client.release()
    expect((await pool.query('select 1 as n')).rows).toEqual([{ n: 1 }])
  })

  test('closes a cursor that is not read to its end, and goes on', async () => {
    const pool = make({ max: 1 })
    const client = await pool.connect()
    const cursor = client.query(new Cursor('select n from generate_series(1, 1000) as n'))
    await cursor.read(1)
    await cursor.close()
    expect((await client.query('select 1 as n')).rows).toEqual([{ n: 1 }])
    client.release()
  })

  test('reads values of a cursor with the types of the application', async () => {
    const pool = make()
    const client = await pool.connect()
    const cursor = client.query(new Cursor('select 1::int8 as big, 2::numeric as n'))
    expect(await cursor.read(1)).toEqual([{ big: '1', n: '2' }])
    await cursor.close()
    client.release()
  })

  test('tells a cursor what the server says against it, and goes on', async () => {
    const pool = make({ max: 1 })
    const client = await pool.connect()
    const cursor = client.query(new Cursor('select no_such_column'))
    const error = await failureOf<pg.DatabaseError>(cursor.read(1))
    expect(error.code).toBe('42703')
    expect((await client.query('select 1 as n')).rows).toEqual([{ n: 1 }])
    client.release()
  })

  test('streams rows', async () => {
    const pool = make()
    const client = await pool.connect()
    const stream = client.query(new QueryStream('select n from generate_series(1, 500) as n', []))
    let sum = 0
    for await (const row of stream as AsyncIterable<{ n: number }>) sum += row.n
    client.release()
    expect(sum).toBe(125_250)
    expect((await pool.query('select 1 as n')).rows).toEqual([{ n: 1 }])
  })

  test('copies in and out', async () => {
    const pool = make({ max: 1 })
    const client = await pool.connect()
    await client.query('create temp table copied (n int)')
    await pipeline(Readable.from(['1\n2\n', '3\n']), client.query(from('copy copied from stdin')))
    const out = await text(client.query(to('copy (select n from copied order by n) to stdout')))
    expect(out).toBe('1\n2\n3\n')
    expect((await client.query('select sum(n)::int as sum from copied')).rows).toEqual([{ sum: 6 }])
    client.release()
  })

  test('runs a query object of pg itself, which emits its rows', async () => {
    const pool = make()
    const client = await pool.connect()
    const rows: unknown[] = []
    const query = client.query(new pg.Query('select n from generate_series(1, 3) as n'))
    query.on('row', (row: { n: number }) => rows.push(row.n))
    await once(query, 'end')
    client.release()
    expect(rows).toEqual([1, 2, 3])
  })

  if (isOurs) {
    test('runs a cursor that is given to the pool on a client of its own, and gives that back', async () => {
      const pool = make({ max: 1 })
      const cursor = new Cursor('select n from generate_series(1, 3) as n')
      expect(pool.query(cursor)).toBe(cursor)
      expect(await cursor.read(10)).toEqual([{ n: 1 }, { n: 2 }, { n: 3 }])
      await cursor.close()
      expect((await pool.query('select 1 as n')).rows).toEqual([{ n: 1 }])
      await until(() => pool.idleCount === 1 || kind === 'createPgPool, lazy')
    })

    test('takes back a client whose cursor was left open', async () => {
      const pool = make({ max: 1 })
      const client = await pool.connect()
      const cursor = client.query(new Cursor('select n from generate_series(1, 1000) as n'))
      await cursor.read(1)
      client.release()
      expect((await pool.query('select 1 as n')).rows).toEqual([{ n: 1 }])
    })
  }
})
