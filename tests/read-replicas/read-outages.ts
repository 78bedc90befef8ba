import type { Driver } from '@poolhouse/core'
import type { HistoryReport } from '@poolhouse/testkit'
import { expect } from 'vitest'
import { pause, ReadSetup } from './read-setup.js'
import { until } from './replica-cluster.js'

/** Something that happens to a cluster while it is read. */
export interface ReadOutage {
  /** For tables. */
  readonly name: string
  /** What reads promise through it. */
  readonly title: string
  /** Breaks and heals; resolves when the work has gone on for a while after that. */
  strike(setup: ReadSetup): Promise<void>
}

const WHILE_MS = 2_000

/** Every outage that reads must come through. */
export const READ_OUTAGES: readonly ReadOutage[] = [
  {
    name: 'kill',
    title: 'a primary that is killed and replaced',
    async strike(setup) {
      const a = setup.node('a')
      await a.kill()
      const next = await setup.cluster.failover()
      await setup.untilPrimary(next.name)
      await pause(WHILE_MS)
      await a.rejoinAs(next)
      await pause(WHILE_MS)
    },
  },
  {
    name: 'freeze',
    title: 'a primary that freezes, is replaced, and wakes up writable',
    async strike(setup) {
      const a = setup.node('a')
      await a.freeze()
      const next = await setup.cluster.failover()
      await setup.untilPrimary(next.name)
      await pause(WHILE_MS)
      await a.thaw()
      await pause(WHILE_MS)
    },
  },
  {
    name: 'switchover',
    title: 'two switchovers, there and back',
    async strike(setup) {
      for (const to of ['b', 'a']) {
        await setup.primary.switchover(() => setup.cluster.switchover(setup.node(to)))
        await setup.untilPrimary(to)
        await pause(WHILE_MS)
      }
    },
  },
  {
    name: 'paused replay',
    title: 'replicas whose replay is paused, one after the other',
    async strike(setup) {
      for (const name of ['b', 'c']) {
        await setup.node(name).pauseReplay()
        await pause(WHILE_MS)
        await setup.node(name).resumeReplay()
        await pause(WHILE_MS / 2)
      }
    },
  },
  {
    name: 'diverged replica',
    title:
      'a former primary that comes back as a standby, without a rewind, with rows that never were',
    async strike(setup) {
      const [a, b, c] = ['a', 'b', 'c'].map((name) => setup.node(name))
      await a!.kill()
      const next = await setup.cluster.failover()
      await setup.untilPrimary(next.name)
      await a!.start()
      // These were never acknowledged: each worker would see a number that it never wrote.
      await a!.sql(
        `do $$ begin set local synchronous_commit = local;
           insert into poolhouse_history select 'ghost', n, worker, 1000000 + n
             from generate_series(0, 20) worker, generate_series(1, 400) n; end $$`,
      )
      const [data] = await a!.sql<{ path: string }>(
        `select current_setting('data_directory') as path`,
      )
      await a!.sql(`copy (select 1 where false) to '${data!.path}/standby.signal'`)
      await a!.sql(`alter system set primary_conninfo = 'host=127.0.0.1 port=${next.port}'`)
      await a!.restart()
      setup.endpoint.leadTo(a!.url, b!.url, c!.url)
      await until(
        () => setup.primary.topology.current.nodes.find(({ id }) => id === 'a')?.state,
        (state) => state === 'diverged',
      )
      await pause(2 * WHILE_MS)
    },
  },
  {
    name: 'moving names',
    title: 'a name and a reader endpoint that lead to one server after the other',
    async strike(setup) {
      const { cluster, name, endpoint } = setup
      const [a, b, c] = cluster.nodes
      await c!.setApplyDelay(300)
      for (const to of [b, a, c, a, c]) {
        name.leadTo(to!.url)
        endpoint.leadTo(to!.url, c!.url)
        await pause(WHILE_MS / 2)
      }
      await c!.setApplyDelay(0)
      await pause(WHILE_MS / 2)
    },
  },
]

/** What was measured. */
export type ReadFigures = HistoryReport & { readonly operations: number; readonly reads: number }

/** Lets it happen, and judges what the readers were told. */
export async function judgeReads(outage: ReadOutage, driver: Driver): Promise<ReadFigures> {
  await using setup = await ReadSetup.start(driver)
  await outage.strike(setup)
  const figures = await setup.verify()
  expect(figures.violations).toEqual([])
  return figures
}
