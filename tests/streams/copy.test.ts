import { Readable } from 'node:stream'
import type { ConnectionPool } from '@poolhouse/core'
import { beforeEach, describe, expect, it } from 'vitest'
import { Stopwatch } from '../support/clocks/stopwatch.js'
import { DRIVERS } from '../support/drivers.js'
import { failureOf } from '../support/failure-of.js'
import { guardProcess } from '../support/process-guards.js'
import { PID, testServer } from '../support/servers/test-server.js'
import { until } from '../support/until.js'

guardProcess()
// Much data with little time for it; COPY far away is in the suite for drivers.
const server = testServer({}, 0)

const IN = 'copy items from stdin'
const OUT = 'copy items to stdout'
// Some hundred megabytes: more than any buffer on the way holds.
const ENDLESS = `copy (select repeat('x', 1000) from generate_series(1, 500000)) to stdout`

beforeEach(async () => {
  await server.sql(
    'drop table if exists items; create table items (n int primary key, t text); grant all on items to app',
  )
})

const count = async (): Promise<number> =>
  (await server.sql<{ n: number }>('select count(*)::int as n from items'))[0]!.n
const nothingRuns = async (): Promise<boolean> => (await server.sessions(`state <> 'idle'`)) === 0

async function* lines(from: number, to: number): AsyncGenerator<string> {
  for (let n = from; n <= to; n++) yield `${n}\trow ${n}\n`
}

/** Lines without an end, and how many of them were taken. */
function endless(): AsyncIterable<string> & { given: number; ended: boolean } {
  const source = {
    given: 0,
    ended: false,
    async *[Symbol.asyncIterator]() {
      try {
        for (;;) yield `${++source.given}\t${'x'.repeat(1_000)}\n`
      } finally {
        source.ended = true
      }
    },
  }
  return source
}

async function all(data: AsyncIterable<Uint8Array>): Promise<string> {
  const pieces: Uint8Array[] = []
  for await (const piece of data) pieces.push(piece)
  return Buffer.concat(pieces).toString()
}

describe.each(DRIVERS)('COPY over $driver', ({ make }) => {
  const openPool = server.poolsOver(make())
  const onePool = (options: Parameters<typeof openPool>[0] = {}): ConnectionPool =>
    openPool({ max: 1, ...options })

  const pidOf = async (pool: ConnectionPool): Promise<number> =>
    (await pool.query<{ pid: number }>(PID)).rows[0]!.pid

  async function expectKept(pool: ConnectionPool, pid: number): Promise<void> {
    expect((await pool.query(PID)).rows).toEqual([{ pid }])
    await until(nothingRuns, 'the server to be idle')
    expect(pool.stats().counters).toMatchObject({ created: 1, destroyed: 0 })
    expect(pool.stats()).toMatchObject({ leased: 0, idle: 1 })
  }

  describe('in', () => {
    it('takes strings, bytes and Readables, and gives the count', async () => {
      const pool = onePool()
      const pid = await pidOf(pool)
      expect(await pool.copyFrom(IN, lines(1, 5_000))).toEqual({ rowCount: 5_000, command: 'COPY' })
      expect(
        await pool.copyFrom(IN, Readable.from([Buffer.from('5001\tümläut 😀\n')])),
      ).toMatchObject({
        rowCount: 1,
      })
      expect(await pool.copyFrom(IN, '5002\tone\n5003\ttwo')).toMatchObject({ rowCount: 2 })
      expect(await pool.copyFrom(IN, [])).toMatchObject({ rowCount: 0 })
      const csv = 'copy items (n, t) from stdin with (format csv)'
      expect(await pool.copyFrom(csv, ['5004,"a', ',b"\n'])).toMatchObject({ rowCount: 1 })
      expect(await server.sql('select t from items where n > 5000 order by n')).toEqual(
        ['ümläut 😀', 'one', 'two', 'a,b'].map((t) => ({ t })),
      )
      await expectKept(pool, pid)
    })

    it('a source that fails copies nothing, is the error, and keeps the connection', async () => {
      const pool = onePool()
      const pid = await pidOf(pool)
      const error = new Error('the file is broken')
      async function* broken(): AsyncGenerator<string> {
        yield* lines(1, 50_000)
        throw error
      }
      expect(await failureOf(pool.copyFrom(IN, broken()))).toBe(error)
      expect(await count()).toBe(0)
      await expectKept(pool, pid)
    })

    it('data that the server refuses in the middle end an endless source and keep the connection', async () => {
      const pool = onePool()
      const pid = await pidOf(pool)
      await server.sql(`insert into items values (1000, 'there')`)
      const source = endless()
      expect(await failureOf(pool.copyFrom(IN, source))).toMatchObject({
        name: 'DatabaseError',
        code: '23505',
        constraint: 'items_pkey',
        executed: 'rolled-back',
      })
      expect(source.ended).toBe(true)
      expect(await count()).toBe(1)
      const given = source.given
      await expectKept(pool, pid)
      expect(source.given).toBe(given)
    })

    /** Another caller's lease whose transaction holds the first row until it is released. */
    const lockedRow = async () => {
      const lease = await openPool({ max: 1 }).acquire()
      await lease.query('begin')
      await lease.query(`insert into items values (1, 'mine')`)
      return lease
    }

    it('data that the server refuses at their end keep the connection', async () => {
      const pool = onePool()
      const pid = await pidOf(pool)
      expect(await failureOf(pool.copyFrom(IN, ['1\ta\n', '1\tb\n']))).toMatchObject({
        code: '23505',
      })
      expect(await failureOf(pool.copyFrom(IN, ['x\ta\n']))).toMatchObject({ code: '22P02' })
      expect(await failureOf(pool.copyFrom('copy nowhere from stdin', []))).toMatchObject({
        code: '42P01',
      })
      expect(await count()).toBe(0)
      await expectKept(pool, pid)
    })

    it('F54: aborted while the source is waited for it is undone at once, and the connection serves on', async () => {
      const pool = onePool()
      const pid = await pidOf(pool)
      const abort = new AbortController()
      async function* stuck(): AsyncGenerator<string> {
        yield* lines(1, 50_000)
        await new Promise(() => {})
      }
      const copy = failureOf(pool.copyFrom(IN, stuck(), { signal: abort.signal }))
      await until(async () => (await server.sessions(`state = 'active'`)) === 1, 'the copy to run')
      const reason = new Error('the user left')
      abort.abort(reason)
      const settled = await Promise.race([copy, new Promise((resolve) => setImmediate(resolve))])
      expect(settled).toMatchObject({ name: 'AbortError', executed: 'rolled-back', cause: reason })
      await expectKept(pool, pid)
      expect(await count()).toBe(0)
    })

    it('F54: aborted while the server does not take what it is given, it is cancelled', async () => {
      const pool = onePool()
      const pid = await pidOf(pool)
      const locked = await lockedRow()
      const abort = new AbortController()
      const copy = failureOf(pool.copyFrom(IN, endless(), { signal: abort.signal }))
      await until(async () => (await server.sessions(`wait_event_type = 'Lock'`)) === 1, 'the lock')
      abort.abort()
      expect(await copy).toMatchObject({ name: 'AbortError', executed: 'rolled-back' })
      expect((await pool.query(PID)).rows).toEqual([{ pid }])
      locked.release()
    })

    it('F54: aborted while the server has taken all it was given and does not get on with it, it is cancelled', async () => {
      const pool = onePool()
      const pid = await pidOf(pool)
      const locked = await lockedRow()
      const abort = new AbortController()
      async function* stuck(): AsyncGenerator<string> {
        yield* lines(1, 5_000)
        await new Promise(() => {})
      }
      const copy = failureOf(pool.copyFrom(IN, stuck(), { signal: abort.signal }))
      await until(async () => (await server.sessions(`wait_event_type = 'Lock'`)) === 1, 'the lock')
      abort.abort()
      expect(await copy).toMatchObject({ name: 'AbortError', executed: 'rolled-back' })
      expect((await pool.query(PID)).rows).toEqual([{ pid }])
      locked.release()
    })

    it('timeoutMs and statementTimeoutMs cancel it', async () => {
      const pool = onePool({ statementTimeoutMs: 300 })
      const pid = await pidOf(pool)
      expect(await failureOf(pool.copyFrom(IN, endless(), { timeoutMs: 200 }))).toMatchObject({
        name: 'StatementTimeoutError',
        executed: 'rolled-back',
      })
      const locked = await lockedRow()
      expect(await failureOf(pool.copyFrom(IN, ['1\ta\n']))).toMatchObject({
        name: 'StatementTimeoutError',
        executed: 'rolled-back',
        timeoutMs: 300,
      })
      locked.release()
      expect((await pool.query(PID)).rows).toEqual([{ pid }])
      expect(await count()).toBe(0)
    })

    it('a session that is lost before the end of the data was sent has copied nothing', async () => {
      const pool = onePool()
      const source = endless()
      const copy = failureOf(pool.copyFrom(IN, source))
      await until(() => source.given > 5_000, 'the copy to run')
      await server.sql(
        `select pg_terminate_backend(pid) from pg_stat_activity where usename = 'app'`,
      )
      expect(await copy).toMatchObject({ executed: 'rolled-back' })
      expect(source.ended).toBe(true)
      expect(await count()).toBe(0)
      expect((await pool.query('select 1 as one')).rows).toEqual([{ one: 1 }])
    })

    it('X02: in a transaction it is a part of it', async () => {
      const pool = onePool()
      const pid = await pidOf(pool)
      const undone = pool.transaction(async (tx) => {
        await tx.copyFrom(IN, lines(1, 10))
        throw new Error('no')
      })
      expect(await failureOf(undone)).toMatchObject({ message: 'no' })
      expect(await count()).toBe(0)
      await pool.transaction(async (tx) => {
        await tx.query(`insert into items values (100, 'before')`)
        const wrong = tx.savepoint((inner) => inner.copyFrom(IN, ['100\tagain\n']))
        expect(await failureOf(wrong)).toMatchObject({ code: '23505' })
        await tx.copyFrom(IN, lines(1, 10))
      })
      expect(await count()).toBe(11)
      await expectKept(pool, pid)
    })
  })

  describe('out', () => {
    it('gives the data as the server sends it', async () => {
      const pool = onePool()
      const pid = await pidOf(pool)
      await pool.copyFrom(IN, lines(1, 10_000))
      const text = await all(pool.copyTo(`copy (select * from items order by n) to stdout`))
      expect(text.split('\n')).toHaveLength(10_001)
      expect(text.slice(0, 18)).toBe('1\trow 1\n2\trow 2\n3\t')
      expect(await all(pool.copyTo('copy (select 1 where false) to stdout'))).toBe('')
      await expectKept(pool, pid)
    })

    it('from one server goes into another as it comes', async () => {
      const from = onePool()
      const to = onePool()
      await server.sql(
        'drop table if exists copies; create table copies (like items); grant all on copies to app',
      )
      await from.copyFrom(IN, lines(1, 20_000))
      expect(await to.copyFrom('copy copies from stdin', from.copyTo(OUT))).toMatchObject({
        rowCount: 20_000,
      })
    })

    it('cancels the rest when its reader leaves early, and keeps the connection', async () => {
      const pool = onePool()
      const pid = await pidOf(pool)
      const before = performance.now()
      for await (const _piece of pool.copyTo(ENDLESS)) break
      expect(performance.now() - before).toBeLessThan(5_000)
      await expectKept(pool, pid)
    })

    it('F54: aborted while its reader is busy it is cancelled, and the connection is back before the reader is', async () => {
      const pool = onePool()
      const pid = await pidOf(pool)
      const abort = new AbortController()
      const stream = pool.copyTo(ENDLESS, { signal: abort.signal })
      await stream.next()
      abort.abort()
      await expectKept(pool, pid)
      expect(await failureOf(stream.next())).toMatchObject({ name: 'AbortError' })
    })

    it('F54: aborted while the server computes it frees the caller within 250 ms', async () => {
      const pool = onePool()
      const pid = await pidOf(pool)
      const abort = new AbortController()
      const next = failureOf(
        pool.copyTo('copy (select pg_sleep(30)) to stdout', { signal: abort.signal }).next(),
      )
      await until(
        async () => (await server.sessions(`wait_event = 'PgSleep'`)) === 1,
        'it to sleep',
      )
      using watch = new Stopwatch()
      abort.abort()
      expect(await next).toMatchObject({ name: 'AbortError' })
      expect(watch.elapsedMs).toBeLessThan(250)
      await expectKept(pool, pid)
    })

    it('fails with what the server says in the middle of it', async () => {
      const pool = onePool()
      const pid = await pidOf(pool)
      const broken = 'copy (select 1 / (50000 - n) from generate_series(1, 100000) n) to stdout'
      expect(await failureOf(all(pool.copyTo(broken)))).toMatchObject({ code: '22012' })
      expect(await failureOf(all(pool.copyTo('copy nowhere to stdout')))).toMatchObject({
        code: '42P01',
      })
      await expectKept(pool, pid)
    })

    it('refuses what does not fit, with the connection kept', async () => {
      const pool = onePool()
      const pid = await pidOf(pool)
      expect(() => pool.copyTo(IN)).toThrow(TypeError)
      expect(await failureOf(pool.copyFrom('select 1', []))).toBeInstanceOf(TypeError)
      expect(await failureOf(pool.query(IN))).toBeInstanceOf(TypeError)
      await expectKept(pool, pid)
    })
  })
})
