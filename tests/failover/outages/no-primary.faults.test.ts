import { setTimeout as pause } from 'node:timers/promises'
import { FencedError, NoPrimaryError } from '@poolhouse/core'
import { describe, expect } from 'vitest'
import { Stopwatch } from '../../support/clocks/stopwatch.js'
import { scenario } from '../../support/scenario.js'
import { startFailoverCluster } from '../support/failover-cluster.js'
import { OutageSetup } from '../support/outage-setup.js'

describe('a cluster without a primary', () => {
  scenario(
    'F11: holds calls until their deadline, refuses a call too many at once, and still shows the replicas',
    async ({ make }) => {
      await using setup = await startFailoverCluster(
        make(),
        { replicas: 1 },
        { hold: { timeoutMs: 1_000, maxCalls: 2 } },
      )
      const { pool } = setup
      await setup.node('a').kill()
      await setup.until(({ topology }) => topology.current.primary === undefined)
      const begunAt = performance.now()
      using watch = new Stopwatch()
      const held = [
        pool.query('insert into writes values (1)'),
        pool.transaction((tx) => tx.query('insert into writes values (2)')),
      ]
      await expect(pool.query('insert into writes values (3)')).rejects.toBeInstanceOf(
        NoPrimaryError,
      )
      expect(watch.elapsedMs).toBeLessThan(250)
      for (const end of await Promise.allSettled(held)) {
        expect(end).toMatchObject({
          status: 'rejected',
          reason: { name: 'NoPrimaryError', executed: 'no' },
        })
      }
      expect(performance.now() - begunAt).toBeGreaterThan(990)
      expect(watch.elapsedMs).toBeLessThan(1_250)
      expect(pool.topology.current.replicas.map(({ id }) => id)).toEqual(['b'])
    },
  )

  scenario(
    'rejects with a FencedError as the cause when only an old primary on an older timeline answers as primary',
    async ({ make }) => {
      await using setup = await startFailoverCluster(
        make(),
        { replicas: 1 },
        { hold: { timeoutMs: 300 } },
      )
      const { pool } = setup
      const [a, b] = [setup.node('a'), setup.node('b')]
      await a.freeze()
      await b.promote()
      await setup.until(({ topology }) => topology.current.primary?.id === 'b')
      await pool.query('insert into writes values (1)')
      await b.kill()
      await a.thaw()
      await setup.until(({ topology }) => topology.current.nodes[0]?.state === 'fenced')
      const error = await pool.query('insert into writes values (2)').catch((caught) => caught)
      expect(error).toBeInstanceOf(NoPrimaryError)
      expect(error.executed).toBe('no')
      expect(error.cause).toBeInstanceOf(FencedError)
      expect(error.cause).toMatchObject({ code: 'POOLHOUSE_FENCED', executed: 'no' })
      expect(error.cause.message).toBe(
        '"a" is fenced (claims to be primary on timeline 1, but timeline 2 has been seen); see POOLHOUSE_FENCED',
      )
      await expect(pool.ready({ timeoutMs: 100 })).rejects.toMatchObject({
        name: 'NoPrimaryError',
        cause: { name: 'FencedError' },
      })
      expect(await setup.stored(a)).toEqual([])
    },
  )

  scenario(
    'D6: closes within 2 s of the deadline while its primary hangs, and every call settles',
    async ({ make }) => {
      await using setup = await OutageSetup.start(make())
      await setup.node('a').freeze()
      await pause(300)
      using watch = new Stopwatch()
      await setup.db.close({ timeoutMs: 1_000 })
      expect(watch.elapsedMs).toBeLessThan(3_000)
      await setup.until(
        () => setup.operations.every(({ outcome }) => outcome !== undefined),
        'every call',
      )
      await setup.node('a').thaw()
    },
  )
})
