import type { ConnectionPool, DivergedEvent, ForeignEvent } from '@poolhouse/core'
import { withFailover } from '@poolhouse/failover'
import { type ReplicaPool, type ReplicasOptions, withReplicas } from '@poolhouse/read-replicas'
import { type ClusterNode, startCluster } from '@poolhouse/testkit'
import { describe, expect } from 'vitest'
import type { NamedDriver } from '../../support/drivers.js'
import { scenario } from '../../support/scenario.js'
import {
  fitting,
  poolsOf,
  type ReplicaCluster,
  startReplicaCluster,
  until,
} from '../replica-cluster.js'

const BY_A_DAY = { maxStalenessMs: 86_400_000 }
const ANY_AGE = { maxStalenessMs: Number.POSITIVE_INFINITY }

interface Reading extends AsyncDisposable {
  readonly db: ReplicaPool
  readonly diverged: DivergedEvent[]
  readonly foreign: ForeignEvent[]
}

/** A router over some nodes of the cluster, the first of them the primary. */
function readFrom(
  { cluster }: ReplicaCluster,
  make: NamedDriver['make'],
  names: readonly string[],
  options: ReplicasOptions = {},
): Reading {
  const all = poolsOf(cluster, make())
  const pools = names.map((name) => all.find((pool) => pool.name === name)!)
  const [first, ...others] = pools as [ConnectionPool, ...ConnectionPool[]]
  return watch(withReplicas(first, others, options))
}

function watch(db: ReplicaPool): Reading {
  const diverged: DivergedEvent[] = []
  const foreign: ForeignEvent[] = []
  db.on('diverged', (event) => diverged.push(event))
  db.on('foreign', (event) => foreign.push(event))
  return { db, diverged, foreign, [Symbol.asyncDispose]: () => db.close({ timeoutMs: 1_000 }) }
}

function whyNot(db: ReplicaPool, name: string): string | undefined {
  const { candidates } = db.explainRoute('select 1', { intent: 'read' })
  return candidates.find(({ node }) => node === name)?.reason
}

async function positionOf(node: ClusterNode): Promise<bigint> {
  const [row] = await node.sql<{ at: string }>(
    `select (case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_insert_lsn() end - '0/0')::text as at`,
  )
  return BigInt(row!.at)
}

/** `node` receives nothing any more. */
async function cutOff(node: ClusterNode): Promise<void> {
  await node.sql("alter system set primary_conninfo = ''")
  await node.sql('select pg_reload_conf()')
  await until(
    async () => (await node.sql('select from pg_stat_wal_receiver')).length,
    (receivers) => receivers === 0,
  )
}

/** `c` has received what `b` has not, and `b` is promoted. */
async function promoteTheShorter(
  { primary: a, b, c }: ReplicaCluster,
  rows: number,
): Promise<void> {
  await cutOff(b)
  await a.sql(`insert into notes select 7 from generate_series(1, ${rows})`)
  const end = await positionOf(a)
  await until(
    () => positionOf(c),
    (at) => at >= end,
  )
  await a.kill()
  await b.promote()
}

async function writeBeyond(node: ClusterNode, other: ClusterNode): Promise<void> {
  const goal = await positionOf(other)
  await until(
    async () => {
      await node.sql('insert into notes select 8 from generate_series(1, 2000)')
      return await positionOf(node)
    },
    (at) => at > goal,
  )
}

describe('a replica with another history than the primary', () => {
  scenario(
    'T50: that stays on the discarded timeline serves nothing, before and after the new log has passed it',
    async ({ make }) => {
      await using setting = await startReplicaCluster()
      await promoteTheShorter(setting, 5_000)
      await using reading = readFrom(setting, make, ['b', 'c'])
      const { db, diverged } = reading
      await until(
        () => diverged.length,
        (told) => told === 1,
      )
      expect(diverged[0]).toMatchObject({ node: 'c', timeline: 1 })
      expect(whyNot(db, 'c')).toContain('diverged')
      const lost = 'select 1 from notes where id = 7'
      for (const options of [{}, ANY_AGE, { maxStalenessBytes: 1_000_000_000 }]) {
        const { rows, node } = await db.reader(options).query(lost)
        expect({ node, lost: rows.length }).toEqual({ node: 'b', lost: 0 })
      }
      await writeBeyond(setting.b, setting.c)
      for (let read = 0; read < 200; read++) {
        expect((await db.reader(ANY_AGE).query(lost)).node).toBe('b')
        await new Promise((resolve) => setTimeout(resolve, 10))
      }
      expect(diverged).toHaveLength(1)
      // A process that begins only now cannot prove it, and does not believe it either.
      await using later = readFrom(setting, make, ['b', 'c'])
      await until(
        () => whyNot(later.db, 'c'),
        (why) => why?.includes('is not known yet') === true,
      )
      for (let read = 0; read < 300; read++) {
        if (read % 30 === 0) await setting.b.sql('insert into notes values (8)')
        expect((await later.db.reader(BY_A_DAY).query(lost)).node).toBe('b')
        await new Promise((resolve) => setTimeout(resolve, 10))
      }
      expect(fitting(later.db)).toEqual([])
      expect(whyNot(later.db, 'c')).toContain('is not known yet')
    },
    60_000,
  )

  scenario(
    'T50: that was the primary and came back as a standby of the new one without a rewind serves nothing',
    async ({ make }) => {
      await using setting = await startReplicaCluster()
      const { primary: a, b, c } = setting
      await Promise.all([cutOff(b), cutOff(c)])
      await a.sql('insert into notes select 7 from generate_series(1, 5000)')
      await b.promote({ refollow: false })
      const [data] = await a.sql<{ path: string }>(
        `select current_setting('data_directory') as path`,
      )
      await a.sql(`copy (select 1 where false) to '${data!.path}/standby.signal'`)
      await a.sql(`alter system set primary_conninfo = 'host=127.0.0.1 port=${b.port}'`)
      await a.kill()
      await a.start()
      await using reading = readFrom(setting, make, ['b', 'a'])
      const { db, diverged } = reading
      await until(
        () => diverged.length,
        (told) => told === 1,
      )
      expect(whyNot(db, 'a')).toContain('diverged')
      await writeBeyond(b, a)
      for (let read = 0; read < 100; read++) {
        const { node } = await db.reader(ANY_AGE).query('select 1 from notes where id = 7')
        expect(node).toBe('b')
        await new Promise((resolve) => setTimeout(resolve, 10))
      }
    },
    60_000,
  )

  scenario(
    'T50: that stays with a former primary which lives on serves nothing to a process that lists that one',
    async ({ make }) => {
      await using setting = await startReplicaCluster({ settings: { bgwriter_lru_maxpages: 0 } })
      const { cluster, primary: a, b } = setting
      await cutOff(b)
      await a.sql('insert into notes select 7 from generate_series(1, 20)')
      await b.promote({ refollow: false })
      await b.sql('insert into notes select 8 from generate_series(1, 400)')
      const primary = withFailover(poolsOf(cluster, make()))
      await using reading = watch(withReplicas(primary, primary.topology))
      await primary.ready()
      for (let read = 0; read < 300; read++) {
        // Both logs grow alike, and that of the new primary stays ahead.
        await Promise.all([a, b].map((node) => node.sql('insert into notes values (7)')))
        expect((await reading.db.reader(BY_A_DAY).query('select 1')).node).toBe('b')
        await new Promise((resolve) => setTimeout(resolve, 10))
      }
      expect(whyNot(reading.db, 'c')).toContain('is not known yet')
    },
    60_000,
  )

  scenario(
    'T50: is told from one that follows a promotion, which serves with the next write for a role without rights',
    async ({ make }) => {
      // So that the control file of a standby shows its timeline at its next restart point alone,
      // in five minutes.
      await using setting = await startReplicaCluster({ settings: { bgwriter_lru_maxpages: 0 } })
      const { primary: a, b, c } = setting
      await a.kill()
      await b.promote()
      await until(
        async () => (await c.sql('select from pg_stat_wal_receiver')).length,
        (receivers) => receivers === 1,
      )
      await using reading = readFrom(setting, make, ['b', 'c'])
      await until(
        async () => {
          await b.sql('insert into notes values (8)')
          return fitting(reading.db)
        },
        (nodes) => nodes.join() === 'c',
      )
      const shown = `select greatest(timeline_id, min_recovery_end_timeline) as timeline
        from pg_control_checkpoint(), pg_control_recovery()`
      expect(await c.sql(shown)).toEqual([{ timeline: 1 }])
      const session = reading.db.session()
      await session.query('insert into notes values (9)')
      const { rows } = await session.reader().query('select 1 from notes where id = 9')
      expect(rows).toHaveLength(1)
      expect(reading.diverged).toEqual([])
    },
    60_000,
  )

  scenario(
    'T51: that is not in recovery, or belongs to another cluster, is never fresh',
    async ({ make }) => {
      await using setting = await startReplicaCluster()
      await using other = await startCluster({ replicas: 0 })
      const [a, b, c] = poolsOf(setting.cluster, make()) as [
        ConnectionPool,
        ConnectionPool,
        ConnectionPool,
      ]
      const [stranger] = poolsOf(other, make()) as [ConnectionPool]
      await using reading = watch(withReplicas(a, [b, c]))
      const { db, diverged } = reading
      await until(
        () => fitting(db),
        (nodes) => nodes.join() === 'b,c',
      )
      await setting.c.promote({ refollow: false })
      await until(
        () => diverged.map(({ node }) => node),
        (nodes) => nodes.join() === 'c',
      )
      expect(whyNot(db, 'c')).toContain('it is not in recovery')
      await setting.c.sql('insert into notes values (7)')
      for (let read = 0; read < 50; read++) {
        expect((await db.reader(ANY_AGE).query('select 1')).node).toBe('b')
      }
      await using mixed = watch(
        withReplicas(poolsOf(setting.cluster, make())[0]!, [stranger], ANY_AGE),
      )
      await until(
        () => mixed.foreign.length,
        (told) => told === 1,
      )
      expect((await mixed.db.reader().query('select 1')).node).toBe('a')
      expect(whyNot(mixed.db, 'a')).toContain('another cluster')
    },
    60_000,
  )
})
