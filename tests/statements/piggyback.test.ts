import type { QueryResult, Statement } from '@poolhouse/core'
import { PIGGYBACK, type WithPiggyback } from '@poolhouse/core/kit'
import { startFaultProxy } from '@poolhouse/testkit'
import { describe, expect, it } from 'vitest'
import { DRIVERS } from '../support/drivers.js'
import { failureOf } from '../support/failure-of.js'
import { guardProcess } from '../support/process-guards.js'
import { PID, testServer } from '../support/servers/test-server.js'
import { until } from '../support/until.js'

guardProcess()
const server = testServer()

/** What the piggyback was told, in order. */
type Told = (QueryResult<unknown> | undefined)[]

const carrying = (
  first: Statement,
  second: Statement,
  told: Told = [],
): Statement & WithPiggyback => ({
  ...first,
  [PIGGYBACK]: { statement: second, answered: (result) => told.push(result) },
})

const INSERT = (id: number): Statement => ({
  name: 'insert',
  text: 'insert into behind values ($1)',
  values: [id],
})
const COUNT: Statement = { name: 'count', text: 'select count(*)::int as n from behind' }

describe.each(DRIVERS)('a statement piggybacked on another one over $driver', ({ make }) => {
  const openPool = server.poolsOver(make())

  /** What the piggyback was told. */
  const expectTold = (told: Told, ...rows: (readonly unknown[] | undefined)[]): void => {
    expect(told.map((result) => result?.rows)).toEqual(rows)
  }

  async function emptyPool(options: Parameters<typeof openPool>[0] = {}) {
    await server.sql('create table if not exists behind (id int primary key)')
    await server.sql('truncate behind')
    await server.sql('grant all on behind to app')
    const pool = openPool({ max: 1, ...options })
    const { rows } = await pool.query<{ pid: number }>(PID)
    const kept = async (): Promise<void> => expect((await pool.query(PID)).rows).toEqual(rows)
    return { pool, kept }
  }

  it('runs once the other one is committed, and leaves its result alone', async () => {
    const { pool, kept } = await emptyPool()
    const told: Told = []
    for (const id of [1, 2, 3]) {
      const result = await pool.query(carrying(INSERT(id), COUNT, told))
      expect(result).toMatchObject({ rows: [], rowCount: 1, command: 'INSERT', node: 'test' })
    }
    expectTold(told, [{ n: 1 }], [{ n: 2 }], [{ n: 3 }])
    const returning = { text: 'insert into behind values ($1) returning id', values: [4] }
    const seven = { text: 'select $1::int as n', values: [7] }
    expect((await pool.query(carrying(returning, seven, told))).rows).toEqual([{ id: 4 }])
    expectTold(told.slice(3), [{ n: 7 }])
    await kept()
  })

  it('goes out before the other one is answered', async () => {
    await using proxy = await startFaultProxy(server.url)
    const { pool } = await emptyPool({ connection: proxy.url() })
    await pool.query(carrying(INSERT(1), COUNT))
    const seen: string[] = []
    proxy.onStatement((text) => seen.push(text))
    proxy.blackHole('to-client')
    const other = { text: 'insert into behind values ($1) on conflict do nothing', values: [1] }
    const lost = failureOf(pool.query(carrying(other, { ...COUNT, name: 'other' })))
    await until(() => seen.includes(other.text), 'the statement')
    await until(() => seen.length > 1, 'the piggybacked statement')
    expect(seen).toEqual([other.text, COUNT.text])
    proxy.reset()
    expect(await lost).toMatchObject({ name: 'ConnectionLostError', executed: 'unknown' })
  })

  it('is not told of when the other one fails, which fails as it would alone', async () => {
    const { pool, kept } = await emptyPool()
    const told: Told = []
    await pool.query(INSERT(1))
    const failure = await failureOf(pool.query(carrying(INSERT(1), COUNT, told)))
    expect(failure).toMatchObject({ code: '23505', executed: 'rolled-back' })
    const wrong = { text: 'select $1::int from nowhere', values: [1] }
    expect(await failureOf(pool.query(carrying(wrong, COUNT, told)))).toMatchObject({
      code: '42P01',
    })
    expectTold(told)
    await kept()
  })

  it('may fail, and the other one has succeeded all the same', async () => {
    const { pool, kept } = await emptyPool()
    const told: Told = []
    const wrong = { text: 'select 1 / $1::int', values: [0] }
    expect((await pool.query(carrying(INSERT(1), wrong, told))).rowCount).toBe(1)
    const clash: Statement = { ...COUNT, name: 'insert' }
    expect((await pool.query(carrying(INSERT(2), clash, told))).rowCount).toBe(1)
    expectTold(told, undefined, undefined)
    await kept()
  })

  it('F39: may lose the session, and the other one was acknowledged before', async () => {
    const { pool } = await emptyPool()
    const told: Told = []
    const end = { text: 'select pg_terminate_backend(pg_backend_pid()), $1::int', values: [1] }
    expect((await pool.query(carrying(INSERT(1), end, told))).rowCount).toBe(1)
    expectTold(told, undefined)
    expect(await failureOf(pool.query(carrying(end, COUNT, told)))).toMatchObject({
      name: 'ConnectionLostError',
    })
    expect((await pool.query(COUNT)).rows).toEqual([{ n: 1 }])
  })

  it('survives that the server has forgotten both, and nothing is executed twice', async () => {
    const { pool, kept } = await emptyPool()
    const told: Told = []
    const add: Statement = { name: 'add', text: `insert into behind select count(*) from behind` }
    await pool.query(carrying(add, COUNT, told))
    await using control = await pool.acquire()
    await control.query('deallocate all')
    control.release()
    expect((await pool.query(carrying(add, COUNT, told))).rowCount).toBe(1)
    expect((await pool.query(carrying(add, COUNT, told))).rowCount).toBe(1)
    expect((await pool.query(COUNT)).rows).toEqual([{ n: 3 }])
    await kept()
  })

  it('is cancelled in the place of the other one when that is through', async () => {
    const { pool, kept } = await emptyPool()
    const told: Told = []
    const slow = { text: 'select pg_sleep($1)', values: [20] }
    expect((await pool.query(carrying(INSERT(1), slow, told), { timeoutMs: 500 })).rowCount).toBe(1)
    const late = failureOf(pool.query(carrying(slow, COUNT, told), { timeoutMs: 500 }))
    expect(await late).toMatchObject({ name: 'StatementTimeoutError', executed: 'rolled-back' })
    await kept()
    expectTold(told, undefined)
  })

  it('is left out where it could not be told apart: a text of several statements', async () => {
    const { pool, kept } = await emptyPool()
    const told: Told = []
    const several = { text: 'insert into behind values (1); select 2 as n' }
    expect((await pool.query(carrying(several, COUNT, told))).rows).toEqual([{ n: 2 }])
    expect(told).toEqual([])
    await kept()
  })

  it('is no reason to fail when it is too large to be written down', async () => {
    const { pool, kept } = await emptyPool()
    const told: Told = []
    const large = { text: 'select length($1) as n', values: ['x'.repeat(1_000_000)] }
    expect((await pool.query(carrying(INSERT(1), large, told))).rowCount).toBe(1)
    expect((await pool.query(COUNT)).rows).toEqual([{ n: 1 }])
    await kept()
  })

  it('does not meet what the owner of the raw client runs there', async () => {
    const { pool } = await emptyPool()
    await using lease = await pool.acquire()
    const { raw } = lease
    const run = (text: string): Promise<{ n: number }[]> =>
      'unsafe' in (raw as object)
        ? (raw as { unsafe(text: string): Promise<{ n: number }[]> }).unsafe(text)
        : (raw as { query(text: string): Promise<{ rows: { n: number }[] }> })
            .query(text)
            .then(({ rows }) => rows)
    const told: Told = []
    const first = lease.query(carrying(INSERT(1), COUNT, told))
    const own = run('select 42 as n')
    expect((await first).rowCount).toBe(1)
    expect([...(await own)]).toMatchObject([{ n: 42 }])
    for (const result of told) expect(result?.rows).toEqual([{ n: 1 }])
  })

  it('is left out behind a pooler', async () => {
    const { pool } = await emptyPool({ pooler: 'pgbouncer' })
    const told: Told = []
    const insert = { text: 'insert into behind values ($1)', values: [1] }
    expect((await pool.query(carrying(insert, COUNT, told))).rowCount).toBe(1)
    expect((await pool.query(carrying(INSERT(2), COUNT, told))).rowCount).toBe(1)
    expect(told).toEqual([])
  })

  it('X09: aborted at any moment, what its caller was told is what the server has done', async () => {
    const { pool } = await emptyPool({ max: 4 })
    const ends = await Promise.all(
      Array.from({ length: 300 }, async (_, id) => {
        const abort = new AbortController()
        setTimeout(() => abort.abort(), (id * 7) % 60)
        try {
          await pool.query(carrying(INSERT(id), COUNT), { signal: abort.signal })
          return 'yes'
        } catch (error) {
          return (error as { executed?: string }).executed
        }
      }),
    )
    expect((await pool.query(COUNT)).rowCount).toBe(1)
    await until(async () => (await server.sessions(`state = 'active'`)) === 0, 'quiet')
    const done = new Set(
      (await server.sql<{ id: number }>('select id from behind')).map(({ id }) => id),
    )
    expect(ends).toContain('yes')
    expect(new Set(ends).size).toBeGreaterThan(1)
    for (const [id, end] of ends.entries()) {
      if (end === 'yes') expect(done).toContain(id)
      else if (end !== 'unknown') expect(done).not.toContain(id)
    }
    // A connection whose statement was cancelled counts as lent until the server has confirmed it.
    await until(() => pool.stats().leased === 0, 'every connection to be back')
  })
})
