import { InDoubtError, NoPrimaryError } from '@poolhouse/core'
import { describe, expect } from 'vitest'
import { scenario } from '../support/scenario.js'
import { startFailoverCluster } from './failover-cluster.js'
import { checkHistory, Writers } from './writers.js'

/** The longest time that a writer waited for an answer that came after `time`, counted from `time`. */
function servedAfter(writers: Writers, time: number): number[] {
  return writers
    .of('acknowledged')
    .filter(({ startedAt, endedAt }) => startedAt <= time && endedAt >= time)
    .map(({ endedAt }) => endedAt - time)
}

describe('unplanned failover on real servers', () => {
  scenario(
    'F01, S58: after SIGKILL and promotion every writer is served within 500 ms, nothing acknowledged is lost and nothing is done twice',
    async ({ make }) => {
      await using setup = await startFailoverCluster(make(), { replicas: 2, synchronous: true })
      const { cluster, pool } = setup
      const writers = new Writers(pool)
      await pause(700)
      await cluster.primary.kill()
      await setup.until(({ topology }) => topology.current.primary === undefined)
      const promoted = setup.node('b')
      await promoted.promote()
      const { promotedAt } = promoted
      await setup.until(({ topology }) => topology.current.primary?.id === 'b')
      await pause(700)
      await writers.stop()

      const waits = servedAfter(writers, promotedAt!)
      expect(waits).toHaveLength(6)
      expect(Math.max(...waits)).toBeLessThan(500)
      expect(writers.of('failed')).toEqual([])
      expect(writers.of('in-doubt').length).toBeLessThanOrEqual(6)
      expect(checkHistory(writers.records, await setup.stored(promoted))).toEqual({
        lost: [],
        duplicated: [],
        phantom: [],
      })
      expect(writers.of('acknowledged').some(({ node }) => node === 'b')).toBe(true)
    },
  )

  scenario(
    'F03, F04, S60: a frozen primary is given up, and after it wakes up nothing is sent to it',
    async ({ make }) => {
      await using setup = await startFailoverCluster(make(), { replicas: 2, synchronous: true })
      const { pool } = setup
      const [old, promoted] = [setup.node('a'), setup.node('b')]
      const fenced: unknown[] = []
      pool.on('fenced', (event) => fenced.push(event))
      const writers = new Writers(pool)
      await pause(500)
      await old.freeze()
      const frozenAt = performance.now()
      await setup.until(({ topology }) => topology.current.primary === undefined)
      expect(performance.now() - frozenAt).toBeLessThan(3_000)
      await promoted.promote()
      await setup.until(({ topology }) => topology.current.primary?.id === 'b')
      const waits = servedAfter(writers, promoted.promotedAt!)
      const thawedAt = performance.now()
      await old.thaw()
      await setup.until(({ topology }) => topology.current.nodes[0]?.state === 'fenced')
      await pause(1_500)
      await writers.stop()

      expect(Math.max(0, ...waits)).toBeLessThan(1_500)
      const later = writers.records.filter(({ startedAt }) => startedAt > thawedAt)
      expect(later.length).toBeGreaterThan(50)
      expect(new Set(later.map(({ node }) => node))).toEqual(new Set(['b']))
      expect(fenced).toMatchObject([{ node: 'a', timeline: 1, highest: 2 }])
      // What the old primary holds beyond the new one can only be what was in flight when it froze.
      const onOld = new Set(await setup.stored(old))
      const sentAfterThaw = later.filter(({ id }) => onOld.has(id))
      expect(sentAfterThaw).toEqual([])
      expect(checkHistory(writers.records, await setup.stored(promoted))).toMatchObject({
        lost: [],
        duplicated: [],
      })
      for (const { error } of writers.of('in-doubt')) expect(error).toBeInstanceOf(InDoubtError)
    },
  )

  scenario(
    'F02, F12: two failovers in a row, and the first primary back as a replica',
    async ({ make }) => {
      await using setup = await startFailoverCluster(make(), { replicas: 2 })
      const { pool } = setup
      const [a, b, c] = [setup.node('a'), setup.node('b'), setup.node('c')]
      const writers = new Writers(pool)
      await pause(300)
      await a.kill()
      await b.promote()
      await setup.until(({ topology }) => topology.current.primary?.id === 'b')
      await a.rejoinAs(b)
      await setup.until(({ topology }) => topology.current.replicas.length === 2)
      await b.kill()
      await c.promote()
      await setup.until(({ topology }) => topology.current.primary?.id === 'c')
      await pause(300)
      await writers.stop()
      expect(pool.topology.current.timeline).toBe(3)
      expect(writers.of('failed')).toEqual([])
      expect(writers.records.at(-1)?.node).toBe('c')
    },
  )

  scenario(
    'F07, S67: a primary that restarts in place is used again, and its callers wait instead of failing',
    async ({ make }) => {
      await using setup = await startFailoverCluster(make(), { replicas: 1 })
      const writers = new Writers(setup.pool)
      await pause(300)
      await setup.node('a').stop('immediate')
      await setup.node('a').start()
      await setup.until(({ topology }) => topology.current.primary?.id === 'a')
      await pause(300)
      await writers.stop()
      expect(writers.of('failed')).toEqual([])
      expect(checkHistory(writers.records, await setup.stored(setup.node('a')))).toEqual({
        lost: [],
        duplicated: [],
        phantom: [],
      })
    },
  )

  scenario(
    'F11: without a primary work waits to its deadline and the replicas are still told',
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
      const held = [
        pool.query('insert into writes values (1)'),
        pool.transaction((tx) => tx.query('insert into writes values (2)')),
      ]
      await expect(pool.query('insert into writes values (3)')).rejects.toBeInstanceOf(
        NoPrimaryError,
      )
      expect(performance.now() - begunAt).toBeLessThan(250)
      for (const end of await Promise.allSettled(held)) {
        expect(end).toMatchObject({
          status: 'rejected',
          reason: { name: 'NoPrimaryError', executed: 'no' },
        })
      }
      expect(performance.now() - begunAt).toBeGreaterThan(990)
      expect(performance.now() - begunAt).toBeLessThan(1_250)
      expect(pool.topology.current.replicas.map(({ id }) => id)).toEqual(['b'])
    },
  )

  scenario(
    'sends a block again neither when a part of it was refused as a write nor when it raised 57P03: another part was committed',
    async ({ make }) => {
      await using setup = await startFailoverCluster(make(), { replicas: 0 })
      for (const [id, failure] of [
        [1, 'set transaction read only; insert into writes values (3)'],
        [2, "raise exception using errcode = '57P03'"],
      ] as const) {
        const block = `do $$ begin insert into writes values (${id}); commit; ${failure}; end $$`
        await expect(setup.pool.query(block)).rejects.toMatchObject({ executed: 'unknown' })
      }
      expect((await setup.stored(setup.node('a'))).sort()).toEqual([1, 2])
    },
  )

  scenario(
    'S42: the lag of a paused replica grows, that of an idle cluster does not',
    async ({ make }) => {
      await using setup = await startFailoverCluster(make(), { replicas: 2 })
      const { pool } = setup
      await pause(2_000)
      for (const { lag } of pool.topology.current.replicas) {
        expect(lag).toMatchObject({ bytes: 0 })
        expect(lag!.ms).toBeLessThan(700)
      }
      await setup.node('b').pauseReplay()
      await pool.query('insert into writes select generate_series(1, 1000)')
      await setup.until(({ topology }) => (topology.current.replicas[0]?.lag?.ms ?? 0) > 1_500)
      const [paused, fresh] = pool.topology.current.replicas
      expect(paused?.lag?.bytes).toBeGreaterThan(10_000)
      expect(paused?.reason).toBe('replica, replay is paused')
      expect(fresh?.lag?.ms).toBeLessThan(1_500)
    },
  )
})

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
