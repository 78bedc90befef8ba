import { setTimeout as pause } from 'node:timers/promises'
import { describe, expect } from 'vitest'
import { scenario } from '../../support/scenario.js'
import { startFailoverCluster } from '../support/failover-cluster.js'
import { OutageSetup } from '../support/outage-setup.js'

describe('what is no outage', () => {
  scenario(
    'F19: 150 ms more each way are no outage: no call fails, no node is dead, no connection is lost',
    async ({ make }) => {
      await using setup = await OutageSetup.start(make(), { proxied: true })
      const { pool } = setup.primary.topology.current.primary!
      const { destroyed } = pool.stats().counters
      for (const { name } of setup.cluster.nodes) setup.proxy(name).delay(150)
      await pause(3_000)
      expect(setup.state('a')).toBe('primary')
      const { violations, counts } = await setup.verify()
      expect(violations).toEqual([])
      expect(counts, setup.failures()).toMatchObject({ unknown: 0, notExecuted: 0, unsettled: 0 })
      expect(pool.stats().counters.destroyed).toBe(destroyed)
    },
  )

  scenario(
    'F21: a line that flaps every 300 ms makes no other node primary, and leaves nothing behind',
    async ({ make }) => {
      await using setup = await OutageSetup.start(make(), { proxied: true })
      const primaries = new Set<string | undefined>()
      setup.primary.topology.subscribe(({ primary }) => primaries.add(primary?.id))
      const handles = process.getActiveResourcesInfo().length
      for (let round = 0; round < 8; round++) {
        setup.proxy('a').refuse({ existing: 'reset' })
        await pause(300)
        await setup.proxy('a').heal()
        await pause(300)
      }
      await setup.untilPrimary('a')
      await pause(500)
      expect(primaries).not.toContain('b')
      expect(primaries).not.toContain('c')
      const { violations, counts } = await setup.verify()
      expect(violations).toEqual([])
      expect(counts.acknowledged).toBeGreaterThan(50)
      const { total } = setup.primary.topology.current.primary!.pool.stats()
      expect(total).toBeLessThanOrEqual(20)
      expect(process.getActiveResourcesInfo().length).toBeLessThan(handles + 40)
    },
  )

  scenario(
    'F44: an event loop that stalls for 5 s fails no call and makes no node dead',
    async ({ make }) => {
      await using setup = await OutageSetup.start(make(), { deadlineMs: 15_000 })
      const states = new Set<string>()
      setup.primary.topology.subscribe(({ nodes }) => {
        for (const { state } of nodes) states.add(state)
      })
      const until = performance.now() + 5_000
      while (performance.now() < until);
      await pause(1_000)
      const { violations, counts } = await setup.verify()
      expect(violations).toEqual([])
      expect(counts, setup.failures()).toMatchObject({ unknown: 0, notExecuted: 0, unsettled: 0 })
      expect(states).not.toContain('unreachable')
    },
  )
})

scenario(
  'never sends a block again of which a part was committed, whether it was refused as a write or raised 57P03',
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
