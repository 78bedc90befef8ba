import { type ConnectionPool, PoolOverloadedError } from '@poolhouse/core'
import { startFaultProxy } from '@poolhouse/testkit'
import { describe, expect, it } from 'vitest'
import { LoopLag } from '../support/clocks/loop-lag.js'
import { PG } from '../support/drivers.js'
import { failureOf, tally } from '../support/failure-of.js'
import { guardProcess } from '../support/process-guards.js'
import { PID, testServer } from '../support/servers/test-server.js'

guardProcess()
const server = testServer({}, 0)

/**
 * Starts `count` transactions of the given length; `served` fills with their numbers in the order
 * in which they got a connection.
 */
function transactions(
  pool: ConnectionPool,
  count: number,
  seconds: number,
): { served: number[]; calls: Promise<unknown>[] } {
  const served: number[] = []
  const calls = Array.from({ length: count }, (_, number) =>
    pool.transaction(async (tx) => {
      served.push(number)
      await tx.query(`select pg_sleep(${seconds})`)
    }),
  )
  return { served, calls }
}

const upTo = (count: number): number[] => Array.from({ length: count }, (_, number) => number)

// Who waits, and in what order, is the business of the engine alone.
describe.each([PG])('over $driver', ({ make }) => {
  const openPool = server.poolsOver(make())

  describe('a pool that is exhausted by slow transactions', () => {
    it('F47: gives each of 200 callers a connection in the order in which they came', async () => {
      const pool = openPool({ max: 5 })
      await pool.warm(5)
      // Not by `transaction`, which shows itself when BEGIN is answered: by one server process
      // sooner than by another.
      const served: number[] = []
      const calls = upTo(200).map((number) =>
        pool.use(async (lease) => {
          served.push(number)
          await lease.query('begin')
          await lease.query('select pg_sleep(0.01)')
          await lease.query('commit')
        }),
      )
      expect(await tally(calls)).toEqual({ ok: 200 })
      expect(served).toEqual(upTo(200))
    })

    it('F47: serves the first and times out the last when there is not time for all, each after its full deadline', async () => {
      const pool = openPool({ max: 1, acquireTimeoutMs: 600 })
      await pool.warm(1)
      const { served, calls } = transactions(pool, 200, 0.1)
      const outcomes = await Promise.allSettled(calls)
      const refused = outcomes.filter(({ status }) => status === 'rejected')
      // In the order of the calls. The deadline of a later one is later, if only by the time that
      // it takes to make the calls, so it may be served where those before it are out of time.
      expect(served).toEqual(served.toSorted((one, other) => one - other))
      expect(served).toEqual(upTo(200).filter((call) => outcomes[call]!.status === 'fulfilled'))
      expect(served[0]).toBe(0)
      expect(served.length).toBeLessThanOrEqual(7)
      for (const outcome of refused) {
        expect(outcome).toMatchObject({
          status: 'rejected',
          reason: { name: 'AcquireTimeoutError', executed: 'no' },
        })
        const { waitedMs } = (outcome as PromiseRejectedResult).reason as { waitedMs: number }
        expect(waitedMs).toBeGreaterThanOrEqual(599)
      }
      expect((await pool.query('select 1')).rowCount).toBe(1)
    })

    it('F47: serves a higher priority first, and first come first served within one', async () => {
      const pool = openPool({ max: 1 })
      const lease = await pool.acquire()
      const order: string[] = []
      const waiting = ['a0', 'b5', 'c0', 'd5', 'e-3'].map((label) =>
        pool.use(async () => void order.push(label), { priority: Number(label.slice(1)) }),
      )
      lease.release()
      await Promise.all(waiting)
      expect(order).toEqual(['b5', 'd5', 'a0', 'c0', 'e-3'])
    })
  })

  describe('the queue of waiters', () => {
    it('F48, X12: is bounded by default: of 20 000 callers 1 000 wait and the others are refused at once', async () => {
      const pool = openPool({ max: 2 })
      await pool.warm(2)
      let overloads = 0
      pool.on('overload', () => {
        overloads++
      })
      const leases = await Promise.all([pool.acquire(), pool.acquire()])
      const calls = upTo(20_000).map(() => pool.query('select 1'))
      const error = await failureOf(calls.at(-1)!)
      expect(error).toBeInstanceOf(PoolOverloadedError)
      expect(error).toMatchObject({ executed: 'no', gauges: { pending: 1_000, max: 2 } })
      expect(error.message).toContain('maxPending is 1000')
      expect(pool.stats().pending).toBe(1_000)
      for (const lease of leases) lease.release()
      expect(await tally(calls)).toEqual({ ok: 1_000, PoolOverloadedError: 19_000 })
      expect(overloads).toBe(19_000)
    })

    it('F48: is served to the last of 20 000 where the bound is raised', async () => {
      const pool = openPool({ max: 4, maxPending: 20_000, acquireTimeoutMs: 55_000 })
      await pool.warm(4)
      const calls = upTo(20_000).map(() => pool.query('select 1'))
      expect(await tally(calls)).toEqual({ ok: 20_000 })
      expect(pool.stats().pending).toBe(0)
    })

    it('F48: lets 20 000 waiters time out together without stalling the event loop', async () => {
      const pool = openPool({ max: 1, maxPending: 20_000, acquireTimeoutMs: 400 })
      const lease = await pool.acquire()
      const calls = upTo(20_000).map(() =>
        pool.acquire().then(
          () => 'lent',
          (e: Error) => e.name,
        ),
      )
      await new Promise((resolve) => setImmediate(resolve))
      using lag = new LoopLag()
      expect(new Set(await Promise.all(calls))).toEqual(new Set(['AcquireTimeoutError']))
      // The benchmark has the exact figure; a queue searched from its start for each of them would
      // take seconds.
      expect(lag.worstMs).toBeLessThan(500)
      expect(pool.stats()).toMatchObject({ pending: 0, counters: { timeouts: 20_000 } })
      lease.release()
      expect((await pool.query('select 1')).rowCount).toBe(1)
    })
  })

  describe('a caller who waited in vain', () => {
    it('S40: costs neither the connection nor the reputation of its server', async () => {
      await using proxy = await startFaultProxy(server.url)
      const seen: string[] = []
      proxy.onStatement((text) => seen.push(text))
      const pool = openPool({ connection: proxy.url(), max: 1 })
      const lease = await pool.acquire()
      const { pid } = (await lease.query<{ pid: number }>(PID)).rows[0]!
      const waits = upTo(20).map(() => pool.acquire({ timeoutMs: 30 }))
      expect(await tally(waits)).toEqual({ AcquireTimeoutError: 20 })
      lease.release()
      seen.length = 0
      expect((await pool.query(PID)).rows).toEqual([{ pid }])
      // No ping in between: the connection is not in doubt.
      expect(seen).toEqual([PID])
      expect(pool.stats().counters).toMatchObject({
        timeouts: 20,
        errors: 0,
        created: 1,
        destroyed: 0,
      })
      expect(proxy.accepted).toBe(1)
    })
  })
})
