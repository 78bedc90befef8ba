import { startWireServer, type WireError } from '@poolhouse/testkit'
import { describe, expect, it } from 'vitest'
import { Stopwatch } from '../support/clocks/stopwatch.js'
import { DRIVERS } from '../support/drivers.js'
import { tally } from '../support/failure-of.js'
import { guardProcess } from '../support/process-guards.js'
import { poolsOver } from '../support/servers/test-server.js'
import { until } from '../support/until.js'

guardProcess()
const CALLERS = 1_000

/** Most events within any window of this length. */
function mostWithin(windowMs: number, times: readonly number[]): number {
  return Math.max(
    0,
    ...times.map((start) => times.filter((at) => at >= start && at < start + windowMs).length),
  )
}

const STARTING: WireError = { code: '57P03', message: 'the database system is starting up' }

describe.each(DRIVERS)('over $driver', ({ make }) => {
  const openPool = poolsOver(make())

  describe('a thousand callers at start', () => {
    it('F59: are served by at most max connections, opened four at a time', async () => {
      let connecting = 0
      let most = 0
      await using wire = await startWireServer({
        onConnect: () => {
          connecting++
          most = Math.max(most, connecting)
          setTimeout(() => connecting--, 20)
          return { delayMs: 20 }
        },
        onStatement: () => ({ delayMs: 1 }),
      })
      const pool = openPool({ connection: wire.url, max: 10 })
      const calls = Array.from({ length: CALLERS }, () => pool.query('select 1'))
      expect(await tally(calls)).toEqual({ ok: CALLERS })
      expect(wire.connections).toBeLessThanOrEqual(10)
      expect(most).toBeLessThanOrEqual(4)
    })

    it('F59: do not storm a server that refuses: at most two connects per 100 ms, and each caller is told by its deadline', async () => {
      const times: number[] = []
      await using wire = await startWireServer({
        onConnect: () => {
          times.push(performance.now())
          return { error: STARTING }
        },
      })
      const LIMIT_MS = 2_000
      const pool = openPool({ connection: wire.url, max: 10, acquireTimeoutMs: LIMIT_MS })
      using watch = new Stopwatch()
      const calls = Array.from({ length: CALLERS }, () => pool.query('select 1'))
      expect(await tally(calls)).toEqual({ AcquireTimeoutError: CALLERS })
      expect(watch.elapsedMs - LIMIT_MS).toBeLessThan(250)
      // Four connects are under way before the first refusal can be known; from then on the server
      // counts as failing.
      const later = times.slice(4)
      expect(later.length).toBeGreaterThanOrEqual(2)
      expect(mostWithin(100, later)).toBeLessThanOrEqual(2)
      expect(later[0]! - times[3]!).toBeGreaterThan(20)
      expect(times.length).toBeLessThanOrEqual(20)
      // The reason is not lost on the way.
      const error = await pool.query('select 1', [], { timeoutMs: 20 }).catch((e: Error) => e)
      expect(error).toMatchObject({
        name: 'AcquireTimeoutError',
        cause: { name: 'ConnectError', sqlState: '57P03' },
      })
    })

    it('F59: are all served within their deadline once the server lets them in, without a stampede', async () => {
      await using wire = await startWireServer()
      wire.failConnections(STARTING)
      const pool = openPool({ connection: wire.url, max: 10 })
      const calls = Array.from({ length: CALLERS }, () => pool.query('select 1'))
      await until(() => wire.connections >= 6, 'some refused connects')
      const refused = wire.connections
      wire.failConnections(undefined)
      expect(await tally(calls)).toEqual({ ok: CALLERS })
      expect(wire.connections - refused).toBeLessThanOrEqual(11)
    })
  })

  describe('a spike of short requests on warm connections', () => {
    it('F59: does not open a connection for each of them', async () => {
      await using wire = await startWireServer({
        onConnect: () => ({ delayMs: 150 }),
        onStatement: () => ({ delayMs: 2 }),
      })
      const pool = openPool({ connection: wire.url, max: 50 })
      await pool.warm(5)
      const since = performance.now()
      expect(await tally(Array.from({ length: 50 }, () => pool.query('select 1')))).toEqual({
        ok: 50,
      })
      // Four are opened at a time, which takes 150 ms: a machine that is quick opens no more.
      const rounds = Math.ceil((performance.now() - since) / 150)
      expect(wire.connections).toBeLessThanOrEqual(5 + 4 * rounds)
    })
  })
})
