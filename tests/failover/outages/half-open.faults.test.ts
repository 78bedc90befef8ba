import { createPool } from '@poolhouse/core'
import { type FailoverOptions, type FailoverPool, withFailover } from '@poolhouse/failover'
import { createManager } from '@poolhouse/manager'
import { type FaultProxy, startFaultProxy } from '@poolhouse/testkit'
import { describe, expect, it, onTestFinished } from 'vitest'
import { Stopwatch } from '../../support/clocks/stopwatch.js'
import { everyServer } from '../../support/every-server.js'
import { failureOf } from '../../support/failure-of.js'

describe.each(everyServer())(
  'a half-open connection to a live node, over $driver on PostgreSQL $version',
  ({ make, cluster }) => {
    async function follow(
      options: FailoverOptions,
    ): Promise<{ pool: FailoverPool; line: FaultProxy; changes: string[] }> {
      const { primary } = await cluster()
      const line = await startFaultProxy(primary.url)
      const node = createPool({
        driver: make(),
        connection: line.url(),
        name: 'a',
        statementTimeoutMs: 5_000,
        watchdog: false,
      })
      const pool = withFailover([node], options)
      onTestFinished(async () => {
        await pool.close({ timeoutMs: 0 })
        await line.close()
      })
      const changes: string[] = []
      await pool.query('select 1')
      pool.on('topology', () => changes.push('topology'))
      return { pool, line, changes }
    }

    it('T58: is noticed within 3.5 s by the watchdog of the failover pool, not by that of the node, which stays primary', async () => {
      const { pool, line, changes } = await follow({})
      line.forget()
      using watch = new Stopwatch()
      const error = await failureOf(pool.query('select 1'))
      expect(watch.elapsedMs).toBeLessThan(3_500)
      expect(error).toMatchObject({ name: 'InDoubtError', executed: 'unknown' })
      expect((await pool.query('select 1 as n')).rows).toEqual([{ n: 1 }])
      expect(changes).toEqual([])
    })

    it('T58: costs a declared read nothing, because it is sent again', async () => {
      const { pool, line } = await follow({ watchdog: { silenceMs: 300 } })
      line.forget()
      using watch = new Stopwatch()
      const { rows } = await pool.query('select 1 as n', [], { intent: 'read' })
      expect(rows).toEqual([{ n: 1 }])
      expect(watch.elapsedMs).toBeLessThan(2_000)
    })

    it('T58: is left to the deadline of the statement with watchdog: false', async () => {
      const { pool, line } = await follow({ watchdog: false })
      line.forget()
      const startedAt = performance.now()
      await failureOf(pool.query('select 1'))
      expect(performance.now() - startedAt).toBeGreaterThan(4_900)
    })

    it('T58: is noticed in databases of a manager whose budget is used up', async () => {
      const { primary } = await cluster()
      const line = await startFaultProxy(primary.url)
      const watchdog = { silenceMs: 400 }
      const manager = createManager({
        drivers: { only: make() },
        databases: {
          one: { primary: line.url(), pool: { max: 1, watchdog } },
          two: { nodes: [line.url()], pool: { max: 1, watchdog: false }, failover: { watchdog } },
        },
        // One connection for each database, and one for the monitor.
        budget: { perServer: 3 },
      })
      onTestFinished(async () => {
        await manager.close({ timeoutMs: 0 })
        await line.close()
      })
      const both = [manager.database('one'), manager.database('two')]
      await Promise.all(both.map((db) => db.query('select 1')))
      line.forget()
      using watch = new Stopwatch()
      const errors = await Promise.all(both.map((db) => failureOf(db.query('select 1'))))
      expect(watch.elapsedMs).toBeLessThan(3_000)
      for (const error of errors) expect(error).toMatchObject({ executed: 'unknown' })
      await Promise.all(both.map((db) => db.query('select 1')))
    })
  },
)
