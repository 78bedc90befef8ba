import type { ConnectionPool } from '@poolhouse/core'
import { type FaultProxy, startFaultProxy } from '@poolhouse/testkit'
import { beforeEach, describe, expect, it } from 'vitest'
import { Stopwatch } from '../support/clocks/stopwatch.js'
import { DRIVERS } from '../support/drivers.js'
import { guardProcess } from '../support/process-guards.js'
import { testServer } from '../support/servers/test-server.js'
import { until } from '../support/until.js'
import { ask, COUNT, count, learn, makeNumbers, outcomes } from './shared-calls.js'

guardProcess()
const server = testServer()
const CALLS = 300

interface Fault {
  /** What happens to the line or the server. */
  readonly what: string
  /** Makes it happen. */
  readonly strike: (line: FaultProxy) => Promise<unknown> | unknown
  /** How long callers may be kept, in milliseconds, on a busy machine. */
  readonly withinMs: number
  /** Ends it. */
  readonly heal?: (line: FaultProxy) => Promise<unknown>
  /** Whether nothing may fail. */
  readonly harmless?: boolean
}

const FAULTS: readonly Fault[] = [
  { what: 'the line is cut', strike: (line) => line.cut(), withinMs: 5_000 },
  { what: 'the line is reset', strike: (line) => line.reset(), withinMs: 5_000 },
  {
    what: 'the line is slow for a while',
    strike: (line) => line.delay(300),
    heal: (line) => line.heal(),
    withinMs: 20_000,
    harmless: true,
  },
  {
    what: 'the line is forgotten on its way',
    strike: (line) => line.forget(),
    withinMs: 15_000,
  },
  {
    what: 'what the server sends is lost',
    strike: (line) => line.forget('to-client'),
    withinMs: 15_000,
  },
  {
    what: 'every process of the application is ended by an administrator',
    strike: () =>
      server.sql(`select pg_terminate_backend(pid) from pg_stat_activity where usename = 'app'`),
    withinMs: 5_000,
  },
  {
    what: 'the server crashes and starts again',
    strike: async () => {
      const { primary } = server.cluster
      await primary.kill()
      await primary.start()
    },
    withinMs: 30_000,
  },
  {
    what: 'the server stands still for three seconds',
    strike: async () => {
      await server.cluster.primary.freeze()
      await new Promise((resolve) => setTimeout(resolve, 3_000))
      await server.cluster.primary.thaw()
    },
    withinMs: 20_000,
    harmless: true,
  },
]

describe.each(DRIVERS)('300 shared calls in flight, over $driver', ({ make }) => {
  const openPool = server.poolsOver(make())
  beforeEach(async () => {
    await server.sql('drop table if exists numbers, written')
    await makeNumbers(server)
    await server.sql('create table written(id int primary key)')
    await server.sql('grant all on written to public')
  })

  /** One write after the other, each on a connection of its own; what became of each. */
  const write = async (pool: ConnectionPool, signal: AbortSignal): Promise<string[]> => {
    const told: string[] = []
    for (let id = 0; !signal.aborted; id++) {
      const outcome = await pool.query('insert into written values ($1)', [id]).then(
        () => 'yes',
        ({ executed }) => executed as string,
      )
      told.push(outcome)
      if (outcome !== 'yes') await new Promise((resolve) => setTimeout(resolve, 20))
    }
    return told
  }

  for (const fault of FAULTS) {
    it(`T113: ${fault.what}: all of them settle in time and tell the truth, beside others`, async () => {
      await using line = await startFaultProxy(server.url)
      const pool = openPool({
        connection: line.url(),
        max: 6,
        multiplex: { connections: 3 },
        acquireTimeoutMs: 20_000,
      })
      await learn(pool)
      await learn(pool, COUNT, [1])
      const over = new AbortController()
      const writing = write(pool, over.signal)
      using watch = new Stopwatch()
      const calls = outcomes(Array.from({ length: CALLS }, (_, n) => ask(pool, n)))
      // Something that is under way when the fault strikes.
      const long = [1, 2, 3].map((n) =>
        count(pool, 300_000 + n).then(
          (counted) => (counted === 300_000 + n ? 'ok' : `counted ${counted}`),
          ({ name }) => name,
        ),
      )
      const behind = outcomes(Array.from({ length: CALLS }, (_, n) => ask(pool, n)))
      await new Promise((resolve) => setTimeout(resolve, 15))
      await fault.strike(line)
      const got = [...(await calls), ...(await behind)]
      const counted = await Promise.all(long)
      expect(watch.elapsedMs).toBeLessThan(fault.withinMs)
      const allowed = fault.harmless ? ['ok'] : ['ok', 'ConnectionLostError unknown']
      expect([...new Set(got)].filter((outcome) => !allowed.includes(outcome))).toEqual([])
      for (const outcome of counted) expect(['ok', 'ConnectionLostError']).toContain(outcome)
      await fault.heal?.(line)
      over.abort()
      const told = await writing
      const ids = new Set(
        (await server.sql<{ id: number }>('select id from written')).map(({ id }) => id),
      )
      told.forEach((executed, id) => {
        if (executed === 'yes') expect(ids.has(id)).toBe(true)
        if (executed === 'no' || executed === 'rolled-back') expect(ids.has(id)).toBe(false)
      })
      // The pool goes on.
      await until(async () => (await outcomes([ask(pool, 7)], 7))[0] === 'ok', 'the next answer')
      await until(() => pool.stats().leased === 0 && pool.stats().pending === 0, 'a pool at rest')
    })
  }
})
