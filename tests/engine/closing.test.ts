import { startFaultProxy, startWireServer } from '@poolhouse/testkit'
import { describe, expect, it } from 'vitest'
import { startChild } from '../children/child-script.js'
import { DRIVERS } from '../support/drivers.js'
import { failureOf, tally } from '../support/failure-of.js'
import { guardProcess } from '../support/process-guards.js'
import { testServer } from '../support/servers/test-server.js'
import { until } from '../support/until.js'

guardProcess()
const server = testServer()

describe.each(DRIVERS)('over $driver', ({ driver, make }) => {
  const openPool = server.poolsOver(make())

  describe('close', () => {
    it('F57: rejects those who wait, lets those who hold a connection finish, and then ends every session', async () => {
      const pool = openPool({ max: 1 })
      const lease = await pool.acquire()
      const waiting = Array.from({ length: 5 }, () => pool.query('select 1'))
      const closed = pool.close()
      expect(await tally(waiting)).toEqual({ PoolClosedError: 5 })
      expect(await failureOf(pool.acquire())).toMatchObject({
        name: 'PoolClosedError',
        executed: 'no',
      })
      // The grace: a lease works as before.
      expect((await lease.query('select 1 as n')).rows).toEqual([{ n: 1 }])
      lease.release()
      await closed
      expect(pool.stats()).toMatchObject({ total: 0, pending: 0 })
      await until(
        async () => (await server.sessions(`application_name = 'test'`)) === 0,
        'the sessions to end',
      )
    })

    it('F57: serves those who wait when asked to', async () => {
      const pool = openPool({ max: 2 })
      const calls = Array.from({ length: 20 }, () => pool.query('select pg_sleep(0.005)'))
      const closed = pool.close({ waiters: 'serve' })
      expect(await failureOf(pool.query('select 1'))).toMatchObject({ name: 'PoolClosedError' })
      expect(await tally(calls)).toEqual({ ok: 20 })
      await closed
    })

    it('F57: uses force at its deadline: running statements are cancelled, open transactions undone', async () => {
      const pool = openPool({ max: 3 })
      await server.sql('drop table if exists f57')
      await pool.query('create table f57(id int)')
      const idle = await pool.acquire()
      const busy = pool.query('select pg_sleep(30)')
      const open = await pool.acquire()
      await open.query('begin')
      await open.query('insert into f57 values (1)')
      const lost = failureOf(busy)
      await pool.close({ timeoutMs: 200 })
      expect(await lost).toMatchObject({ code: '57014' })
      expect(await failureOf(idle.query('select 1'))).toMatchObject({ executed: 'no' })
      expect(await failureOf(open.query('commit'))).toMatchObject({
        name: 'ConnectionLostError',
        executed: 'no',
      })
      open.release()
      await until(
        async () => (await server.sessions(`application_name = 'test'`)) === 0,
        'the sessions to end',
      )
      expect(await server.sql('select id from f57')).toEqual([])
    })

    it('F57: is the same when called again and again, whatever the options', async () => {
      const pool = openPool({ max: 1 })
      await pool.query('select 1')
      await Promise.all([pool.close(), pool.close({ timeoutMs: 0 }), pool[Symbol.asyncDispose]()])
      await pool.close()
      expect(await failureOf(pool.warm())).toMatchObject({ name: 'PoolClosedError' })
      expect(pool.tryAcquire()).toBeUndefined()
    })

    it('F57: while connects are under way gives them up and leaves no socket behind', async () => {
      await using wire = await startWireServer({ onConnect: () => ({ delayMs: 60_000 }) })
      const pool = openPool({ connection: wire.url, max: 4 })
      const calls = Array.from({ length: 10 }, () => pool.query('select 1'))
      const outcome = tally(calls)
      await until(() => wire.connections === 4, 'the connects')
      await pool.close()
      expect(await outcome).toEqual({ PoolClosedError: 10 })
      expect(pool.stats().total).toBe(0)
    })
  })

  describe('a process that gets SIGTERM', () => {
    it('F60: stops lending, drains, closes and ends by itself, with nothing left that keeps it alive', async () => {
      const child = startChild('terminated-child', [server.url, driver])
      await child.said('ready')
      await until(async () => (await server.sessions(`state <> 'idle'`)) === 2, 'its statements')
      child.process.kill('SIGTERM')
      const report = JSON.parse(await child.said('{')) as Record<string, unknown>
      expect(report).toEqual({
        transaction: 'ok',
        statement: 'ok',
        waiting: ['PoolClosedError', 'PoolClosedError', 'PoolClosedError'],
        later: 'PoolClosedError',
        resources: [],
        total: 0,
      })
      expect(await child.ended).toBe(0)
    })

    it('F60: needs no close at all to end once its work is done: idle connections keep no process alive', async () => {
      const child = startChild('idle-child', [server.url, driver])
      await child.said('done')
      expect(await child.ended).toBe(0)
    })
  })

  describe('close during an outage', () => {
    it.each(['refuse', 'blackHole', 'reset'] as const)(
      'S91: settles a hundred waiters and lets the process end, the server being lost by %s',
      async (fault) => {
        await using proxy = await startFaultProxy(server.url)
        const child = startChild('outage-child', [proxy.url(), driver])
        await child.said('ready')
        if (fault === 'refuse') proxy.refuse({ existing: 'reset' })
        else if (fault === 'reset') proxy.reset()
        else proxy.blackHole()
        child.process.kill('SIGUSR2')
        const report = JSON.parse(await child.said('{')) as {
          settled: number
          closeMs: number
          resources: string[]
          total: number
          pending: number
        }
        expect(report).toMatchObject({ settled: 104, total: 0, pending: 0 })
        // A cancel request may outlast its pool for the rest of its second: what it is about may
        // still run on the server.
        if (fault !== 'blackHole') expect(report.resources).toEqual([])
        // Its deadline was 300 ms.
        expect(report.closeMs).toBeLessThan(2_300)
        const reported = performance.now()
        expect(await child.ended).toBe(0)
        // Something that kept it alive would do so for half a minute, as long as the statement on
        // the server goes on, which has not heard of it.
        expect(performance.now() - reported).toBeLessThan(10_000)
        await server.sql(
          `select pg_terminate_backend(pid, 5000) from pg_stat_activity where usename = 'app'`,
        )
      },
    )
  })
})
