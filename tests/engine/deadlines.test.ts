import type { ConnectionPool } from '@poolhouse/core'
import { type FaultProxy, startFaultProxy } from '@poolhouse/testkit'
import { describe, expect, it } from 'vitest'
import { Stopwatch } from '../support/clocks/stopwatch.js'
import { DRIVERS, PG } from '../support/drivers.js'
import { failureOf, tally } from '../support/failure-of.js'
import { guardProcess } from '../support/process-guards.js'
import { testServer } from '../support/servers/test-server.js'

guardProcess()
const server = testServer()

// Section D of the scenarios, number 6.
const GRACE_MS = 250
const CLOSE_GRACE_MS = 2_000

/**
 * How long each call took beyond its limit at the worst, less what this process itself was late.
 */
async function worstOvertime(limitMs: number, calls: (() => Promise<unknown>)[]): Promise<number> {
  using watch = new Stopwatch()
  const times = await Promise.all(
    calls.map(async (call) => {
      await call().catch(() => {})
      return watch.elapsedMs
    }),
  )
  return Math.max(...times) - limitMs
}

const LIMIT_MS = 400
const limits = { timeoutMs: LIMIT_MS }

/** One call of each kind, all with the same limit. */
const kindsOfCall = (pool: ConnectionPool): (() => Promise<unknown>)[] => [
  () => pool.query('select 1', [], limits),
  () => pool.query('select pg_sleep(30)', [], limits),
  () => pool.acquire(limits).then((lease) => lease.release()),
  () => pool.use(() => Promise.resolve(), limits),
]

/** The same where a lease or a transaction is open when the line breaks. */
async function openWork(pool: ConnectionPool): Promise<(() => Promise<unknown>)[]> {
  const lease = await pool.acquire()
  const inTransaction = await pool.acquire()
  await inTransaction.query('begin')
  return [
    () => lease.query('select 1', [], limits).finally(() => lease.release()),
    () => inTransaction.query('commit', [], limits).finally(() => inTransaction.release()),
    () => pool.transaction((tx) => tx.query('select 1'), limits),
    ...kindsOfCall(pool),
  ]
}

interface Fault {
  readonly what: string
  readonly strike: (proxy: FaultProxy) => void
}

const FAULTS: readonly Fault[] = [
  { what: 'a line that carries nothing', strike: (proxy) => proxy.blackHole() },
  { what: 'a line that loses answers', strike: (proxy) => proxy.blackHole('to-client') },
  { what: 'a line that loses requests', strike: (proxy) => proxy.blackHole('to-server') },
  { what: 'a line that is slower than the limit', strike: (proxy) => proxy.delay(700) },
  { what: 'a line that is just slow', strike: (proxy) => proxy.delay(150) },
  {
    what: 'a server that refuses and has broken every connection',
    strike: (proxy) => proxy.refuse({ existing: 'reset' }),
  },
]

describe.each(DRIVERS)('over $driver', ({ driver, make }) => {
  const openPool = server.poolsOver(make())

  describe('a call with a deadline', () => {
    it.each(FAULTS)(
      'D6: does not outlive it by more than 250 ms over $what',
      async ({ strike }) => {
        await using proxy = await startFaultProxy(server.url)
        const pool = openPool({ connection: proxy.url(), max: 4, acquireTimeoutMs: LIMIT_MS })
        await pool.warm(3)
        const calls = await openWork(pool)
        strike(proxy)
        expect(await worstOvertime(LIMIT_MS, calls)).toBeLessThan(GRACE_MS)
      },
    )

    it('D6: does not outlive it by more than 250 ms when no connection was ever open', async () => {
      await using proxy = await startFaultProxy(server.url)
      proxy.blackHole()
      const pool = openPool({ connection: proxy.url(), max: 4, acquireTimeoutMs: LIMIT_MS })
      expect(await worstOvertime(LIMIT_MS, kindsOfCall(pool))).toBeLessThan(GRACE_MS)
      expect(await failureOf(pool.query('select 1', [], limits))).toMatchObject({
        name: 'AcquireTimeoutError',
        executed: 'no',
      })
    })

    it('D6: says “unknown” of what was sent and “no” of what was not, and the pool recovers when the line does', async () => {
      await using proxy = await startFaultProxy(server.url)
      const pool = openPool({ connection: proxy.url(), max: 1, acquireTimeoutMs: 10_000 })
      await pool.warm(1)
      proxy.blackHole()
      const [sent, queued] = await Promise.all([
        failureOf(pool.query('select 1', [], limits)),
        failureOf(pool.query('select 2', [], { timeoutMs: 300 })),
      ])
      expect(sent).toMatchObject({ name: 'StatementTimeoutError', executed: 'unknown' })
      expect(queued).toMatchObject({ name: 'AcquireTimeoutError', executed: 'no' })
      await proxy.heal()
      expect(await tally(Array.from({ length: 5 }, () => pool.query('select 1')))).toEqual({
        ok: 5,
      })
    })
  })

  describe('close with a deadline', () => {
    // Each takes seconds: postgres.js gets every other one.
    const faults = driver === PG.driver ? FAULTS : FAULTS.filter((_, index) => index % 2 === 0)
    it.each(faults)(
      'D6: ends within two seconds of it over $what, and every call has settled',
      async ({ strike }) => {
        await using proxy = await startFaultProxy(server.url)
        const pool = openPool({ connection: proxy.url(), max: 3 })
        await pool.warm(3)
        const session = await pool.openSession()
        const leases = await Promise.all([pool.acquire(), pool.acquire()])
        await leases[0]!.query('begin')
        const calls = [
          leases[0]!.query('select pg_sleep(30)'),
          leases[1]!.query('select 1'),
          pool.query('select pg_sleep(30)'),
          pool.query('select 2'),
          pool.acquire(),
        ].map((call) => call.catch(() => {}))
        strike(proxy)
        const overtime = await worstOvertime(300, [() => pool.close({ timeoutMs: 300 })])
        expect(overtime).toBeLessThan(CLOSE_GRACE_MS)
        await Promise.all(calls)
        expect(session.closed).toBe(true)
        expect(pool.stats()).toMatchObject({ total: 0, pending: 0 })
      },
    )
  })
})
