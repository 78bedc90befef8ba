import { setTimeout as sleep } from 'node:timers/promises'
import { type ConnectionPool, createPool, type Driver } from '@poolhouse/core'
import { type FailoverPool, withFailover } from '@poolhouse/failover'
import { type ReplicaPool, withReplicas } from '@poolhouse/read-replicas'
import {
  type Cluster,
  type ClusterNode,
  startWorkload,
  verifyHistory,
  type Workload,
} from '@poolhouse/testkit'
import { describe, expect, it } from 'vitest'
import { DRIVERS } from '../support/drivers.js'
import { describeFailures, failuresOf } from './managed-setup.js'
import { promoted, startWatched, type Watched } from './pgpool-setup.js'

const WRITERS = 6

/** Until Pgpool-II takes every server for one that is up. */
async function allUp({ pgpool, cluster }: Watched): Promise<void> {
  const states = async () => {
    const lines = await Promise.all(
      cluster.nodes.map((_, number) => pgpool.pcp('node_info', '-n', String(number))),
    )
    return lines.map((line) => / (up|down|waiting|unused|quarantine) /.exec(line)?.[1])
  }
  // A server that no client has used since it was attached is `waiting`.
  await expect.poll(states, { timeout: 60_000 }).not.toContain('down')
}

/** A pool on the servers themselves. */
function followerOf({ nodes }: Cluster, driver: Driver): FailoverPool {
  const pools = nodes.map(({ name, url }) => createPool({ driver, connection: url, name, max: 10 }))
  return withFailover(pools, { hold: { timeoutMs: 30_000 } })
}

/** Workers, each with a session of its own. */
function writeAndRead(db: ReplicaPool): Workload {
  const sessions = Array.from({ length: WRITERS }, () => db.session())
  const own = (worker: number) => sessions[worker]!
  return startWorkload({ writes: own, reads: own, writers: WRITERS, deadlineMs: 30_000 })
}

describe.each(DRIVERS)('a cluster that Pgpool-II fails over, over $driver', ({ make }) => {
  it.each(['kill', 'freeze'] as const)(
    'S58, S60: %s of the primary: a pool on the servers themselves follows, and loses nothing',
    async (how) => {
      const { cluster } = await startWatched()
      const primary = followerOf(cluster, make())
      await using db = withReplicas(primary, primary.topology)
      const workload = writeAndRead(db)
      await sleep(1_000)
      const old = cluster.primary
      await old[how]()
      const next = await promoted(cluster, old.name)
      await expect.poll(() => primary.topology.current.primary?.id).toBe(next)
      await sleep(1_000)
      const state = () => primary.topology.current.nodes.find(({ id }) => id === old.name)!.state
      if (how === 'freeze') {
        await old.thaw()
        await expect.poll(state).toBe('fenced')
        await sleep(500)
      }
      const history = await workload.stop()
      const { counts, violations } = await verifyHistory(history, {
        db: primary,
        pools: [db],
        reads: ['read-your-writes', 'monotonic-reads'],
      })
      expect(violations).toEqual([])
      expect(counts.unknown + counts.notExecuted, describeFailures(workload)).toBeLessThanOrEqual(
        WRITERS,
      )
    },
    120_000,
  )

  it('S58: a pool on its port loses its connections, tells the truth of each call, and goes on', async () => {
    const { cluster, pgpool } = await startWatched()
    const pool = createPool({ driver: make(), connection: pgpool.url, max: 8, pooler: 'pgbouncer' })
    await using db = withFailover([pool], { hold: { timeoutMs: 30_000 } })
    const workload = startWorkload({ writes: db, writers: WRITERS, deadlineMs: 30_000 })
    await sleep(1_000)
    const old = cluster.primary
    await old.kill()
    await promoted(cluster, old.name)
    const since = workload.history.operations.length
    await expect
      .poll(
        () =>
          workload.history.operations
            .slice(since)
            .some(({ outcome }) => outcome?.kind === 'acknowledged'),
        { timeout: 30_000 },
      )
      .toBe(true)
    await sleep(500)
    const history = await workload.stop()
    const truth = { query: async (text: string) => ({ rows: await cluster.primary.sql(text) }) }
    const report = await verifyHistory(history, {
      db: truth as unknown as ConnectionPool,
      pools: [db],
    })
    expect(report.violations).toEqual([])
    expect(report.counts.unsettled).toBe(0)
  }, 120_000)

  it('a replica and then the primary are detached for maintenance: a pool on the servers themselves has no failed call', async () => {
    const watched = await startWatched({ planned: true })
    const { cluster, pgpool, numberOf, attach } = watched
    const primary = followerOf(cluster, make())
    await using db = withReplicas(primary, primary.topology)
    const workload = writeAndRead(db)
    await sleep(500)
    const maintain = async (node: ClusterNode): Promise<void> => {
      await node.stop()
      await sleep(1_000)
      await node.start()
      await expect.poll(() => primary.topology.current.replicas.length).toBe(2)
    }
    const [old, next] = [cluster.primary, cluster.replicas[0]!]
    await pgpool.pcp('detach_node', ...numberOf(next))
    await maintain(next)
    await attach(next)
    await allUp(watched)
    await primary.switchover(async () => {
      await pgpool.pcp('promote_node', '--switchover', ...numberOf(next))
      await promoted(cluster, old.name)
    })
    expect(primary.topology.current.primary?.id).toBe(next.name)
    await expect.poll(() => primary.topology.current.replicas.length).toBe(2)
    await allUp(watched)
    await pgpool.pcp('detach_node', ...numberOf(old))
    await maintain(old)
    await attach(old)
    await allUp(watched)
    const history = await workload.stop()
    const { counts, violations } = await verifyHistory(history, {
      db: primary,
      pools: [db],
      reads: ['read-your-writes', 'monotonic-reads'],
    })
    expect(violations).toEqual([])
    expect(failuresOf(workload)).toEqual([])
    expect(counts.unsettled).toBe(0)
  }, 120_000)

  it('the same: a pool on its port tells the truth of each call, and goes on', async () => {
    const watched = await startWatched({ planned: true })
    const { cluster, pgpool, numberOf, attach } = watched
    const pool = createPool({ driver: make(), connection: pgpool.url, max: 8, pooler: 'pgbouncer' })
    await using db = withFailover([pool], { hold: { timeoutMs: 30_000 } })
    const workload = startWorkload({ writes: db, writers: WRITERS, deadlineMs: 30_000 })
    const acknowledged = () =>
      workload.history.operations.filter(({ outcome }) => outcome?.kind === 'acknowledged').length
    const goesOn = async (): Promise<void> => {
      const before = acknowledged()
      await expect.poll(acknowledged, { timeout: 30_000 }).toBeGreaterThan(before + 50)
    }
    await goesOn()
    const [old, next] = [cluster.primary, cluster.replicas[0]!]
    await pgpool.pcp('detach_node', ...numberOf(next))
    await goesOn()
    await attach(next)
    await allUp(watched)
    await goesOn()
    await pgpool.pcp('promote_node', '--switchover', ...numberOf(next))
    await promoted(cluster, old.name)
    await goesOn()
    await allUp(watched)
    const history = await workload.stop()
    const truth = { query: async (text: string) => ({ rows: await cluster.primary.sql(text) }) }
    const { counts, violations } = await verifyHistory(history, {
      db: truth as unknown as ConnectionPool,
      pools: [db],
    })
    expect(violations).toEqual([])
    expect(counts.unsettled).toBe(0)
  }, 120_000)
})
