import { TokenBeyondHistoryError } from '@poolhouse/core'
import { type FailoverPool, withFailover } from '@poolhouse/failover'
import { type ReplicaPool, type ReplicasOptions, withReplicas } from '@poolhouse/read-replicas'
import { describe, expect } from 'vitest'
import type { NamedDriver } from '../support/drivers.js'
import { scenario } from '../support/scenario.js'
import {
  fitting,
  poolsOf,
  type ReplicaCluster,
  startReplicaCluster,
  until,
  untilFitting,
} from './replica-cluster.js'

/** A router over a failover pool of the cluster, as in the README. */
function follow(
  { cluster }: ReplicaCluster,
  make: NamedDriver['make'],
  options: ReplicasOptions = {},
): { primary: FailoverPool; db: ReplicaPool } {
  const primary = withFailover(poolsOf(cluster, make()), { probe: { intervalMs: 250 } })
  return { primary, db: withReplicas(primary, primary.topology, options) }
}

const READ = 'select 1 from notes where id = $1'

describe('replicas of a live topology', () => {
  scenario(
    'F29, F30: lose plain reads by their lag, and reads of sessions by what they have not replayed',
    async ({ make }) => {
      await using setting = await startReplicaCluster()
      const { db } = follow(setting, make, { maxStalenessMs: 1_000 })
      await using _ = db
      await untilFitting(db, ['b', 'c'])
      await setting.b.pauseReplay()
      const session = db.session()
      await session.query('insert into notes values (7)')
      for (let read = 0; read < 50; read++) {
        const { rows, node } = await session.reader().query(READ, [7])
        expect([rows.length, node]).not.toContain('b')
        expect(rows).toHaveLength(1)
      }
      await untilFitting(db, ['c'])
      await setting.b.resumeReplay()
      await untilFitting(db, ['b', 'c'])
      await setting.b.setApplyDelay(1_500)
      const stop = new AbortController()
      const writing = (async () => {
        while (!stop.signal.aborted) await db.query('insert into notes values (8)')
      })()
      await untilFitting(db, ['c'])
      stop.abort()
      await writing
      await setting.b.setApplyDelay(0)
      await untilFitting(db, ['b', 'c'])
    },
    60_000,
  )

  scenario(
    'F30: are left when they receive nothing any more, although they have replayed all that they have',
    async ({ make }) => {
      await using setting = await startReplicaCluster()
      await using routed = setting.connect(make(), { maxStalenessMs: 1_000 })
      const { db } = routed
      await untilFitting(db, ['b', 'c'])
      await setting.b.sql("alter system set primary_conninfo = ''")
      await setting.b.sql('select pg_reload_conf()')
      await until(
        async () => (await setting.b.sql('select from pg_stat_wal_receiver')).length,
        (receivers) => receivers === 0,
      )
      await db.query('insert into notes values (1)')
      await untilFitting(db, ['c'])
      const [why] = db.explainRoute('select 1', { intent: 'read' }).candidates
      expect(why?.reason).toContain('it receives nothing: its WAL receiver does not run')
      await setting.b.follow(setting.primary)
      await untilFitting(db, ['b', 'c'])
    },
    60_000,
  )
})

describe('a token after a real failover', () => {
  scenario(
    'S48, S53: is as good as before where what it names is kept, whether or not its history may be read',
    async ({ make }) => {
      await using setting = await startReplicaCluster({ synchronous: true })
      const { primary, db } = follow(setting, make)
      await using _ = db
      await untilFitting(db, ['b', 'c'])
      const told: string[] = []
      db.on('token', ({ reason }) => told.push(reason))
      const session = db.session()
      await session.query('insert into notes values (1)')
      const { token } = session
      expect(token).toMatch(/^v1\.\d+\.1\./)
      await setting.primary.kill()
      const next = await setting.cluster.failover()
      await until(
        () => primary.topology.current.primary?.id,
        (id) => id === next.name,
      )
      // Another process, and the session that has lived through it.
      for (const view of [db.session(token), session]) {
        const read = await view.reader().query(READ, [1])
        expect(read.rows).toHaveLength(1)
        expect(await view.freshToken()).toMatch(/^v1\.\d+\.2\./)
      }
      await session.query('insert into notes values (2)')
      const later = await db.session(session.token).reader().query(READ, [2])
      expect(later.rows).toHaveLength(1)
      // With the right to read the history a replica can tell that it has what the old token names.
      await next.sql('grant execute on function pg_read_file(text) to public')
      await using fresh = withReplicas(primary, primary.topology)
      await until(
        () => fitting(fresh),
        (nodes) => nodes.length > 0,
      )
      expect((await fresh.session(token).reader().query(READ, [1])).rows).toHaveLength(1)
      const again = await fresh.session(token, { waitForTokenMs: 5_000 }).reader().query(READ, [1])
      expect(again.rows).toHaveLength(1)
      expect(again.node).not.toBe(next.name)
      expect(told).toEqual([])
    },
    60_000,
  )

  scenario(
    'S53: that names what was lost is never taken for caught up, and tells or rejects',
    async ({ make }) => {
      await using setting = await startReplicaCluster()
      const { b, c } = setting
      await setting.primary.sql('grant execute on function pg_read_file(text) to public')
      const { primary, db } = follow(setting, make)
      await using _ = db
      await untilFitting(db, ['b', 'c'])
      await Promise.all([b.stop(), c.stop()])
      const session = db.session()
      await session.query('insert into notes values (1)')
      const { token } = session
      await setting.primary.kill()
      await Promise.all([b.start(), c.start()])
      const next = await setting.cluster.failover()
      await until(
        () => primary.topology.current.primary?.id,
        (id) => id === next.name,
      )
      // The new timeline passes the place that the token names.
      await db.query('insert into notes select generate_series(100, 20000)')
      await until(
        () => fitting(db),
        (nodes) => nodes.length > 0,
      )
      const told: string[] = []
      db.on('token', ({ reason }) => told.push(reason))
      const read = await db.session(token).reader().query(READ, [1])
      expect([read.node, read.rows.length]).toEqual([next.name, 0])
      expect(told).toEqual(['beyond-history'])
      await using strict = withReplicas(primary, primary.topology, { onLostToken: 'error' })
      await until(
        () => fitting(strict),
        (nodes) => nodes.length > 0,
      )
      await expect(strict.session(token).reader().query(READ, [1])).rejects.toThrow(
        TokenBeyondHistoryError,
      )
    },
    60_000,
  )
})
