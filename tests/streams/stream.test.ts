import type { ConnectionPool, StreamIterator } from '@poolhouse/core'
import { describe, expect, it } from 'vitest'
import { startChild } from '../children/child-script.js'
import { DRIVERS } from '../support/drivers.js'
import { failureOf } from '../support/failure-of.js'
import { guardProcess } from '../support/process-guards.js'
import { PID, testServer } from '../support/servers/test-server.js'
import { until } from '../support/until.js'

guardProcess()
// A batch is a round trip, and there are thousands; cursors far away are in the suite for drivers.
const server = testServer({}, 0)

const SERIES = 'select n::int from generate_series(1, $1::int) as n'
// The second batch of ten takes its time.
const SLOW = 'select n::int, case when n > 10 then pg_sleep(30) end from generate_series(1, 20) n'
const nothingRuns = async (): Promise<boolean> => (await server.sessions(`state <> 'idle'`)) === 0

async function all<T>(stream: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = []
  for await (const one of stream) found.push(one)
  return found
}

describe.each(DRIVERS)('a stream over $driver', ({ driver, make }) => {
  const openPool = server.poolsOver(make())
  const onePool = (options: Parameters<typeof openPool>[0] = {}): ConnectionPool =>
    openPool({ max: 1, ...options })

  /** Says that the connection is the one it was, idle and clean. */
  async function expectKept(pool: ConnectionPool, pid: number): Promise<void> {
    expect((await pool.query(PID)).rows).toEqual([{ pid }])
    await until(nothingRuns, 'the server to be idle')
    expect(pool.stats().counters).toMatchObject({ created: 1, destroyed: 0 })
    expect(pool.stats()).toMatchObject({ leased: 0, idle: 1 })
  }

  const pidOf = async (pool: ConnectionPool): Promise<number> =>
    (await pool.query<{ pid: number }>(PID)).rows[0]!.pid

  it('gives all rows in order, in batches of any size, and of any shape', async () => {
    const pool = onePool()
    const pid = await pidOf(pool)
    for (const batchSize of [1, 7, 1_000, 5_000]) {
      const rows = await all(pool.stream<{ n: number }>(SERIES, [1_000], { batchSize }))
      expect(rows.map(({ n }) => n)).toEqual(Array.from({ length: 1_000 }, (_, n) => n + 1))
    }
    const arrays = await all(
      pool.stream({ text: 'select 1 as a, $1::text as b', values: ['x'], rowMode: 'array' }),
    )
    expect(arrays).toEqual([[1, 'x']])
    expect(await all(pool.stream('select 1 where false'))).toEqual([])
    await expectKept(pool, pid)
  })

  it('holds no more than a batch: the server is not asked for rows before they are needed', async () => {
    const pool = onePool()
    const lease = await pool.acquire()
    await lease.query('create temp sequence taken')
    const stream = lease.stream(`select nextval('taken') from generate_series(1, 1000)`, [], {
      batchSize: 10,
    })
    await stream.next()
    await stream.return()
    const { rows } = await lease.query(`select last_value::int as n from taken`)
    lease.release()
    expect(rows).toEqual([{ n: 10 }])
  })

  it('closes its cursor and keeps the connection when its reader leaves', async () => {
    const pool = onePool()
    const pid = await pidOf(pool)
    for await (const _row of pool.stream(SERIES, [1_000_000])) break
    const thrown = async (): Promise<void> => {
      for await (const _row of pool.stream(SERIES, [1_000_000])) throw new Error('enough')
    }
    expect(await failureOf(thrown())).toMatchObject({ message: 'enough' })
    await expectKept(pool, pid)
  })

  it('F54, T89: aborted during a fetch it is cancelled, tells what the server says to that, and its connection serves on', async () => {
    const pool = onePool()
    const pid = await pidOf(pool)
    const abort = new AbortController()
    const stream = pool.stream(SLOW, [], { batchSize: 10, signal: abort.signal })
    for (let n = 0; n < 10; n++) await stream.next()
    const next = failureOf(stream.next())
    await until(async () => (await server.sessions(`wait_event = 'PgSleep'`)) === 1, 'it to sleep')
    const reason = new Error('the user left')
    abort.abort(reason)
    const abortedAt = performance.now()
    const error = await next
    // The caller is kept for 200 ms until the server has confirmed it; on a busy machine that is
    // not always enough.
    const late = performance.now() - abortedAt > 195
    expect(error).toMatchObject({ name: 'AbortError', cause: reason })
    expect(late ? ['rolled-back', 'unknown'] : ['rolled-back']).toContain(error.executed)
    await expectKept(pool, pid)
  })

  it('F54: aborted between two fetches it gives the connection back at once', async () => {
    const pool = onePool()
    const pid = await pidOf(pool)
    const abort = new AbortController()
    const stream = pool.stream(SERIES, [1_000_000], { signal: abort.signal })
    await stream.next()
    abort.abort()
    await expectKept(pool, pid)
    expect(await failureOf(stream.next())).toMatchObject({ name: 'AbortError' })
  })

  it('a fetch past statementTimeoutMs is cancelled; the time of the reader is not counted', async () => {
    const pool = onePool({ statementTimeoutMs: 300 })
    const pid = await pidOf(pool)
    const stream = pool.stream(SLOW, [], { batchSize: 10 })
    await stream.next()
    await new Promise((resolve) => setTimeout(resolve, 500))
    for (let n = 1; n < 10; n++) await stream.next()
    expect(await failureOf(stream.next())).toMatchObject({
      name: 'StatementTimeoutError',
      executed: 'rolled-back',
      timeoutMs: 300,
    })
    await expectKept(pool, pid)
  })

  it('fails with what the server says in the middle of it, after the rows before', async () => {
    const pool = onePool()
    const pid = await pidOf(pool)
    const stream = pool.stream('select 10 / (5 - n) as n from generate_series(1, 9) n', [], {
      batchSize: 2,
    })
    for (let n = 0; n < 4; n++) await stream.next()
    expect(await failureOf(stream.next())).toMatchObject({ name: 'DatabaseError', code: '22012' })
    expect(await failureOf(all(pool.stream('select nonsense')))).toMatchObject({ code: '42703' })
    expect(await failureOf(all(pool.stream('select 1; select 2')))).toMatchObject({ code: '42601' })
    await expectKept(pool, pid)
  })

  it('refuses what has no place in it and keeps the connection', async () => {
    const pool = onePool()
    const pid = await pidOf(pool)
    expect(await failureOf(all(pool.stream('copy (select 1) to stdout')))).toBeInstanceOf(TypeError)
    expect(await failureOf(pool.query('copy (select 1) to stdout'))).toBeInstanceOf(TypeError)
    expect(await failureOf(all(pool.stream('begin')))).toMatchObject({ name: 'TransactionError' })
    await expectKept(pool, pid)
  })

  it('X02: in a transaction it leaves the transaction as it is, and COMMIT comes behind its cursor', async () => {
    const pool = onePool()
    const pid = await pidOf(pool)
    await server.sql(
      'drop table if exists noted; create table noted (n int); grant all on noted to app',
    )
    let open: StreamIterator<unknown> | undefined
    await pool.transaction(async (tx) => {
      for await (const { n } of tx.stream<{ n: number }>(SERIES, [1_000], { batchSize: 10 })) {
        expect(await failureOf(tx.query('select 1'))).toMatchObject({ name: 'LeaseBusyError' })
        if (n === 25) break
      }
      await tx.query('insert into noted values (1)')
      open = tx.stream(SERIES, [1_000], { batchSize: 10 })
      await open.next()
    })
    expect(await failureOf(open!.next())).toMatchObject({ name: 'TransactionError' })
    const rolledBack = pool.transaction(async (tx) => {
      await tx.query('insert into noted values (2)')
      await tx.stream(SERIES, [1_000], { batchSize: 10 }).next()
      throw new Error('no')
    })
    expect(await failureOf(rolledBack)).toMatchObject({ message: 'no' })
    expect(await server.sql('select n from noted')).toEqual([{ n: 1 }])
    await expectKept(pool, pid)
  })

  it('X02: a lease that is released with it open is lent on idle', async () => {
    const pool = onePool()
    const pid = await pidOf(pool)
    const lease = await pool.acquire()
    await lease.query('begin')
    await lease.stream(SERIES, [1_000], { batchSize: 10 }).next()
    lease.release()
    await expectKept(pool, pid)
  })

  it('X01: what it did to the session is undone', async () => {
    const pool = onePool()
    await all(pool.stream(`select set_config('app.secret', 'mine', false)`))
    const { rows } = await pool.query(`select current_setting('app.secret', true) as s`)
    expect(rows[0]!['s'] ?? '').toBe('')
  })

  it('a lost session is told between two fetches and during one, and what it did is undone', async () => {
    const pool = onePool()
    const paused = pool.stream(SERIES, [1_000], { batchSize: 10 })
    await paused.next()
    const kill = `select pg_terminate_backend(pid) from pg_stat_activity where usename = 'app' and pid <> pg_backend_pid()`
    await server.sql(kill)
    await until(() => pool.stats().total === 0, 'the loss to be seen')
    expect(await failureOf(paused.next())).toMatchObject({
      name: 'ConnectionLostError',
      executed: 'rolled-back',
    })
    const asked = failureOf(pool.stream(SLOW, [], { batchSize: 15 }).next())
    await until(async () => (await server.sessions(`wait_event = 'PgSleep'`)) === 1, 'it to sleep')
    await server.sql(kill)
    expect(await asked).toMatchObject({ executed: 'unknown' })
    expect((await pool.query('select 1 as one')).rows).toEqual([{ one: 1 }])
  })

  it('an open one is no silent server', async () => {
    const pool = onePool()
    const stream = pool.stream(SERIES, [1_000], { batchSize: 10 })
    await stream.next()
    await new Promise((resolve) => setTimeout(resolve, 100))
    expect(pool.silentForMs()).toBe(0)
    await stream.return()
  })

  it('F51: one that was forgotten is closed when the garbage collector has found it, and its connection serves on', async () => {
    const child = startChild('abandoning-child', [server.url, driver], ['--expose-gc'])
    expect(await child.ended).toBe(0)
    expect(JSON.parse(child.lines.at(-1)!)).toEqual({
      collected: true,
      rows: [{ one: 1 }],
      created: 1,
      leaks: 1,
    })
  })

  it('F57: close() ends it with PoolClosedError when its time is up', async () => {
    const pool = onePool()
    const stream = pool.stream(SERIES, [1_000], { batchSize: 10 })
    await stream.next()
    await pool.close({ timeoutMs: 100 })
    expect(await failureOf(stream.next())).toMatchObject({ name: 'PoolClosedError' })
    await until(async () => (await server.sessions()) === 0, 'the session to end')
  })
})
