import { AcquireTimeoutError } from '@poolhouse/core'
import { startWireServer } from '@poolhouse/testkit'
import { describe, expect, it } from 'vitest'
import { startChild } from '../children/child-script.js'
import { shiftedClock } from '../support/clocks/shifted-clock.js'
import { DRIVERS } from '../support/drivers.js'
import { failureOf, tally } from '../support/failure-of.js'
import { guardProcess } from '../support/process-guards.js'
import { PID, testServer } from '../support/servers/test-server.js'
import { until } from '../support/until.js'

guardProcess()
const server = testServer()
const HOUR = 3_600_000

describe.each(DRIVERS)('over $driver', ({ driver, make }) => {
  const openPool = server.poolsOver(make())

  describe('a jump of the wall clock', () => {
    it.each([
      { hours: 2, direction: 'forward' },
      { hours: -3, direction: 'back' },
    ])(
      'F43: $direction expires nothing, keeps nothing for ever and fails no call',
      async ({ hours }) => {
        const clock = shiftedClock()
        const pool = openPool({ max: 2, clock, idleTimeoutMs: 900, acquireTimeoutMs: 300 })
        const lease = await pool.acquire()
        const idle = (await pool.query<{ pid: number }>(PID)).rows[0]!.pid
        const running = pool.transaction(async (tx) => {
          clock.moveWall(hours * HOUR)
          return (await tx.query<{ pid: number }>('select pg_sleep(0.1), pg_backend_pid() as pid'))
            .rows[0]!.pid
        })
        expect(await running).toBe(idle)
        // Still the same idle connection, though the wall clock says that it has been idle for
        // hours.
        expect((await pool.query<{ pid: number }>(PID)).rows[0]!.pid).toBe(idle)
        expect(pool.stats().counters).toMatchObject({
          created: 2,
          destroyed: 0,
          errors: 0,
          timeouts: 0,
        })
        // A wait still takes what it should, not two hours and not none.
        const other = await pool.acquire()
        const since = performance.now()
        expect(await failureOf(pool.acquire())).toBeInstanceOf(AcquireTimeoutError)
        expect(performance.now() - since).toBeGreaterThan(290)
        // And what is idle for too long by the true clock does go.
        other.release()
        lease.release()
        await until(() => pool.stats().total === 0, 'idle connections to be retired')
      },
    )

    it('F43: makes idle connections prove themselves once, since a machine that was suspended looks the same', async () => {
      const clock = shiftedClock()
      const pool = openPool({ max: 1, clock })
      const { pid } = (await pool.query<{ pid: number }>(PID)).rows[0]!
      clock.skip(20_000)
      await pool.query('select 1')
      expect((await pool.query<{ pid: number }>(PID)).rows[0]!.pid).toBe(pid)
    })
  })

  describe('a process that is frozen while its sessions are ended', () => {
    it('F45: proves a connection before its first use, and loses nothing but what was in flight', async () => {
      const child = startChild('frozen-child', [server.url, driver])
      await child.said('ready')
      child.process.kill('SIGSTOP')
      // Longer than the two and a half seconds that count as a freeze, beyond the heartbeat of one
      // second.
      await new Promise((resolve) => setTimeout(resolve, 4_500))
      const ended = await server.sql<{ ended: boolean }>(
        `select pg_terminate_backend(pid, 5000) as ended from pg_stat_activity where application_name = 'frozen'`,
      )
      expect(ended).toHaveLength(4)
      child.process.kill('SIGCONT')
      const report = JSON.parse((await child.said('{')).toString()) as {
        inFlight: string[]
        after: string[]
        created: number
      }
      expect(await child.ended).toBe(0)
      expect(report.inFlight).toEqual(['ConnectionLostError'])
      // Asked in the very first timer after the thaw, before the loop had read the sockets.
      expect(report.after).toEqual(['ok', 'ok', 'ok'])
    })
  })
})

describe.each(DRIVERS)('over $driver', ({ make }) => {
  const openPool = server.poolsOver(make())

  describe('an event loop that stalls', () => {
    // A quarter of the scenario's five seconds, and limits that are shorter still.
    const STALL_MS = 2_500
    const stall = (): void => {
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, STALL_MS)
    }

    it('F44: causes no error: answers that arrived meanwhile count, timers that fire late do not', async () => {
      const pool = openPool({ max: 4, connectTimeoutMs: 1_000, acquireTimeoutMs: 5_000 })
      await pool.warm(4)
      let sent = 0
      const slow = Array.from({ length: 4 }, () => {
        sent++
        return pool.query('select pg_sleep(0.1)', [], { timeoutMs: 1_000 })
      })
      const waiting = Array.from({ length: 40 }, () => pool.query('select 1'))
      expect(sent).toBe(4)
      // One turn of the loop, so that the statements are on their way.
      await new Promise((resolve) => setImmediate(resolve))
      stall()
      expect(await tally([...slow, ...waiting])).toEqual({ ok: 44 })
      expect(pool.stats().counters).toMatchObject({
        timeouts: 0,
        errors: 0,
        destroyed: 0,
        created: 4,
      })
    })

    it('F44: fails no caller whose connection was being opened', async () => {
      const pool = openPool({ max: 4, connectTimeoutMs: 1_000, acquireTimeoutMs: 5_000 })
      const calls = Array.from({ length: 20 }, () => pool.query('select 1'))
      await new Promise((resolve) => setImmediate(resolve))
      stall()
      expect(await tally(calls)).toEqual({ ok: 20 })
      expect(pool.stats().counters.timeouts).toBe(0)
    })

    it('F44: gives up no connection that is being proved or cleaned, and fails no call over one being cancelled', async () => {
      const pool = openPool({ max: 3 })
      const destroyed: string[] = []
      pool.on('destroy', ({ reason }) => destroyed.push(reason))
      await pool.warm(3)
      const dirty = await pool.acquire()
      await dirty.query('create temp table scratch(n int)')
      const abort = new AbortController()
      const aborted = failureOf(pool.query('select pg_sleep(30)', [], { signal: abort.signal }))
      await until(
        async () => (await server.sessions(`query like '%pg_sleep(30)'`)) === 1,
        'the query',
      )
      pool.suspect('test')
      const proving = pool.query('select 1')
      dirty.release()
      abort.abort()
      stall()
      expect(await aborted).toMatchObject({ name: 'AbortError' })
      await proving
      expect(
        await tally(Array.from({ length: 3 }, () => pool.query('select pg_sleep(0.1)'))),
      ).toEqual({ ok: 3 })
      // A cancel request is a conversation of several steps: if its second passes, the connection
      // goes, which costs no call its answer.
      for (const reason of destroyed) expect(reason).toMatch(/cancel/)
    })

    it('F44: gives a reset its time although the stall has used up that of the whole cleaning', async () => {
      await using wire = await startWireServer({
        onStatement: (text) => {
          if (text === 'slow') return { delayMs: 60_000 }
          return text.startsWith('RESET SESSION') ? { delayMs: 50 } : undefined
        },
        onCancel: () => ({ delayMs: 50 }),
      })
      const clock = shiftedClock()
      const pool = openPool({ connection: wire.url, max: 1, clock })
      const lease = await pool.acquire()
      await lease.query(`set work_mem = '64MB'`)
      const slow = failureOf(lease.query('slow'))
      await until(() => wire.statements.some(({ text }) => text === 'slow'), 'the statement')
      lease.release()
      clock.skip(3_000)
      expect(await slow).toMatchObject({ code: '57014' })
      await pool.query('select 1')
      expect(pool.stats().counters).toMatchObject({ created: 1, destroyed: 0 })
    })
  })
})
