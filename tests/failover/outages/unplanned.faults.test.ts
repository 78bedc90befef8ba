import { setTimeout as pause } from 'node:timers/promises'
import { InDoubtError } from '@poolhouse/core'
import { describe, expect } from 'vitest'
import { Stopwatch } from '../../support/clocks/stopwatch.js'
import { scenario } from '../../support/scenario.js'
import { OutageSetup } from '../support/outage-setup.js'

describe('servers that fail and come back', () => {
  scenario(
    'F03, S60, S67: a primary that hangs is dead within 3 s, its calls are in doubt, and it is used again when it wakes up',
    async ({ make }) => {
      await using setup = await OutageSetup.start(make())
      const { primary } = setup
      const doubts: unknown[] = []
      primary.on('in-doubt', ({ error }) => doubts.push(error))
      await setup.node('a').freeze()
      using watch = new Stopwatch()
      await setup.until(() => primary.topology.current.primary === undefined, 'a to be given up')
      expect(watch.elapsedMs).toBeLessThan(3_000)
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
    'F02, F12: two failovers in a row, after which the first primary is back as a replica and gets no write',
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
      expect(writes.length).toBeGreaterThan(5)
      expect(node.pool.stats().counters.errors).toBeLessThanOrEqual(12)
      const { violations, counts } = await setup.verify()
      expect(violations).toEqual([])
      expect(counts.unknown + counts.notExecuted).toBeLessThanOrEqual(12)
      expect(primary.topology.current.timeline).toBe(3)
    },
  )

  scenario(
    'F07, S67: a primary that restarts in place is used again, and calls wait instead of failing',
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
    'F08: the crash of one backend ends all backends of its server, and connections come back gradually',
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
    'F09: an administrator ends sessions (57P01) over and over, and work that may have been done is never sent again',
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
})
