import { InDoubtError, NoPrimaryError } from '@poolhouse/core'
import { describe, expect } from 'vitest'
import { scenario } from '../support/scenario.js'
import { startFailoverCluster } from './failover-cluster.js'
import { OutageSetup, pause } from './outage-setup.js'

describe('servers that fail and come back', () => {
  scenario(
    'F03, S60, S67: a primary that hangs is given up within 3 s, its callers learn that they are in doubt, and when it wakes up it goes on',
    async ({ make }) => {
      await using setup = await OutageSetup.start(make())
      const { primary } = setup
      const doubts: unknown[] = []
      primary.on('in-doubt', ({ error }) => doubts.push(error))
      await setup.node('a').freeze()
      const frozenAt = performance.now()
      await setup.until(() => primary.topology.current.primary === undefined, 'a to be given up')
      expect(performance.now() - frozenAt).toBeLessThan(3_000)
      await setup.node('a').thaw()
      await setup.untilPrimary('a')
      await pause(500)
      const { violations, counts } = await setup.verify()
      expect(violations).toEqual([])
      expect(counts.unknown + counts.notExecuted).toBeLessThanOrEqual(6)
      expect(primary.topology.current.timeline).toBe(1)
      for (const error of doubts) expect(error).toBeInstanceOf(InDoubtError)
    },
  )

  scenario(
    'F02, F12: two failovers in a row, the first primary being back as a replica, which gets no write',
    async ({ make }) => {
      await using setup = await OutageSetup.start(make())
      const { primary } = setup
      const [a, b, c] = [setup.node('a'), setup.node('b'), setup.node('c')]
      await a.kill()
      await b.promote()
      await setup.untilPrimary('b')
      await a.rejoinAs(b)
      await setup.until(() => primary.topology.current.replicas.length === 2, 'a as a replica')
      const rejoinedAt = performance.now()
      const node = primary.topology.current.nodes.find(({ id }) => id === 'a')!
      await setup.until(
        async () => (await setup.db.reader().query('select 1')).node === 'a',
        'a read on a',
      )
      await b.kill()
      await c.promote()
      await setup.untilPrimary('c')
      await pause(500)
      const writes = setup.operations.filter(
        ({ kind, invokedAt }) => kind !== 'read' && invokedAt > rejoinedAt,
      )
      expect(writes.length).toBeGreaterThan(20)
      expect(node.pool.stats().counters.errors).toBeLessThanOrEqual(12)
      const { violations, counts } = await setup.verify()
      expect(violations).toEqual([])
      expect(counts.unknown + counts.notExecuted).toBeLessThanOrEqual(12)
      expect(primary.topology.current.timeline).toBe(3)
    },
  )

  scenario(
    'F07, S67: a primary that restarts in place is used again, and its callers wait instead of failing',
    async ({ make }) => {
      await using setup = await OutageSetup.start(make())
      await setup.node('a').stop('immediate')
      await setup.node('a').start()
      await setup.untilPrimary('a')
      await pause(500)
      const { violations, counts } = await setup.verify()
      expect(violations).toEqual([])
      expect(counts.unknown + counts.notExecuted).toBeLessThanOrEqual(6)
    },
  )

  scenario(
    'F08: the crash of one server process takes all of its server down, and they come back without a herd',
    async ({ make }) => {
      await using setup = await OutageSetup.start(make())
      const [{ pid }] = (await setup
        .node('a')
        .sql<{ pid: number }>(
          `select pid from pg_stat_activity where backend_type = 'client backend' and usename = '${setup.cluster.user}' limit 1`,
        )) as [{ pid: number }]
      const { pool } = setup.primary.topology.current.primary!
      const { created } = pool.stats().counters
      process.kill(pid, 'SIGKILL')
      await setup.until(() => pool.stats().counters.created > created, 'new connections')
      await setup.untilPrimary('a')
      await pause(700)
      const { violations, counts } = await setup.verify()
      expect(violations).toEqual([])
      expect(counts.unknown + counts.notExecuted).toBeLessThanOrEqual(6)
      expect(pool.stats().counters.created - created).toBeLessThanOrEqual(20)
    },
  )

  scenario(
    'F09: sessions ended by an administrator (57P01) over and over: what may have been done is never sent again',
    async ({ make }) => {
      await using setup = await OutageSetup.start(make())
      const kills = 10
      for (let round = 0; round < kills; round++) {
        await setup
          .node('a')
          .sql(
            `select pg_terminate_backend(pid) from pg_stat_activity where usename = '${setup.cluster.user}'`,
          )
        await pause(100)
      }
      await setup.untilPrimary('a')
      const { violations, counts } = await setup.verify()
      expect(violations).toEqual([])
      expect(counts.acknowledged).toBeGreaterThan(50)
      expect(counts.unknown + counts.notExecuted).toBeLessThanOrEqual(6 * kills)
    },
  )

  scenario(
    'F19: 150 ms more each way are no outage: no call fails, nobody is dead, no connection is lost',
    async ({ make }) => {
      await using setup = await OutageSetup.start(make(), { proxied: true })
      const { pool } = setup.primary.topology.current.primary!
      const { destroyed } = pool.stats().counters
      for (const { name } of setup.cluster.nodes) setup.proxy(name).delay(150)
      await pause(3_000)
      expect(setup.state('a')).toBe('primary')
      const { violations, counts } = await setup.verify()
      expect(violations).toEqual([])
      expect(counts).toMatchObject({ unknown: 0, notExecuted: 0, unsettled: 0 })
      expect(pool.stats().counters.destroyed).toBe(destroyed)
    },
  )

  scenario(
    'F21: a line that flaps every 300 ms makes nobody else primary, and leaves nothing behind',
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
    'F44: an event loop that stalls for 5 s fails no call and gives up no node',
    async ({ make }) => {
      await using setup = await OutageSetup.start(make())
      const states = new Set<string>()
      setup.primary.topology.subscribe(({ nodes }) => {
        for (const { state } of nodes) states.add(state)
      })
      const until = performance.now() + 5_000
      while (performance.now() < until);
      await pause(1_000)
      const { violations, counts } = await setup.verify()
      // The stall is ours: a call that it kept from its answer is late, and nothing else.
      expect(violations.filter(({ kind }) => kind !== 'late')).toEqual([])
      expect(counts).toMatchObject({ unknown: 0, notExecuted: 0, unsettled: 0 })
      expect(states).not.toContain('unreachable')
    },
  )
})

describe('a cluster without a primary', () => {
  scenario(
    'F11: work waits to its deadline, a call too many is refused at once, and the replicas are still told',
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
    'D6: a pool that is closed while its primary hangs ends within 2 s of its deadline, and every call settles',
    async ({ make }) => {
      await using setup = await OutageSetup.start(make())
      await setup.node('a').freeze()
      await pause(300)
      const begunAt = performance.now()
      await setup.db.close({ timeoutMs: 1_000 })
      expect(performance.now() - begunAt).toBeLessThan(3_000)
      await setup.until(
        () => setup.operations.every(({ outcome }) => outcome !== undefined),
        'every call',
      )
      await setup.node('a').thaw()
    },
  )
})

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
