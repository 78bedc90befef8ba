import { setTimeout as pause } from 'node:timers/promises'
import {
  type HistoryReport,
  historyTable,
  startWorkload,
  verifyHistory,
  type Workload,
} from '@poolhouse/testkit'
import { describe, expect } from 'vitest'
import { scenario } from '../../support/scenario.js'
import { type FailoverCluster, startFailoverCluster } from '../support/failover-cluster.js'

/** Starts eight writers, each with about thirty writes a second. */
async function startWriting({ pool }: FailoverCluster): Promise<Workload> {
  for (const statement of historyTable()) await pool.query(statement)
  // As long as calls are held by default, because servers are slow on a busy machine.
  return startWorkload({ writes: pool, writers: 8, pauseMs: 20, deadlineMs: 10_000 })
}

async function judge(setup: FailoverCluster, workload: Workload): Promise<HistoryReport> {
  const history = await workload.stop()
  return await verifyHistory(history, { db: setup.pool, pools: [setup.pool] })
}

describe('switchover', () => {
  scenario(
    'S56, D4: moves the primary twice under 200 writes a second without a failed call',
    async ({ make }) => {
      await using setup = await startFailoverCluster(make(), { replicas: 2 })
      const { cluster, pool } = setup
      const reasons: string[] = []
      pool.on('topology', ({ reason }) => reasons.push(reason))
      const workload = await startWriting(setup)
      await pause(800)
      const outages: number[] = []
      for (const name of ['b', 'c']) {
        const begunAt = performance.now()
        const moved = await pool.switchover(() => cluster.switchover(setup.node(name)))
        expect(moved.name).toBe(name)
        expect(pool.topology.current.primary?.id).toBe(name)
        outages.push(performance.now() - begunAt)
        await pause(500)
      }
      const { counts, longestWriteGapMs, violations } = await judge(setup, workload)
      expect(violations).toEqual([])
      expect(counts).toMatchObject({ notExecuted: 0, unknown: 0, unsettled: 0 })
      expect(counts.acknowledged).toBeGreaterThan(100)
      expect(longestWriteGapMs).toBeLessThan(Math.max(...outages) + 1_000)
      expect(reasons.join('\n')).toMatch(
        /"b" \(127\.0\.0\.1:\d+\) promoted: timeline 1 → 2; \d+ calls held \d+ ms/,
      )
      expect(reasons.join('\n')).toMatch(/"c" .* promoted: timeline 2 → 3/)
    },
  )

  scenario('restarts the primary in place without a failed call', async ({ make }) => {
    await using setup = await startFailoverCluster(make(), { replicas: 1 })
    const { cluster, pool } = setup
    const workload = await startWriting(setup)
    await pause(500)
    await pool.switchover(() => cluster.primary.restart())
    await pause(300)
    const { counts, violations } = await judge(setup, workload)
    expect(violations).toEqual([])
    expect(counts).toMatchObject({ notExecuted: 0, unknown: 0, unsettled: 0 })
  })
})

describe('a switchover that does not take place', () => {
  scenario('lets calls go on where they were, without a failed one', async ({ make }) => {
    await using setup = await startFailoverCluster(make(), { replicas: 1 })
    const { pool } = setup
    const workload = await startWriting(setup)
    await pause(300)
    const refused = new Error('the cluster manager refused')
    await expect(pool.switchover(() => Promise.reject(refused))).rejects.toBe(refused)
    await expect(pool.switchover(() => Promise.resolve())).rejects.toThrow(/promoted no other node/)
    await pause(300)
    const { counts, violations } = await judge(setup, workload)
    expect(violations).toEqual([])
    expect(counts).toMatchObject({ notExecuted: 0, unknown: 0, unsettled: 0 })
    expect(pool.topology.current.primary?.id).toBe('a')
  })

  scenario(
    'S57: an unannounced one costs at most one call per connection, each with its true outcome',
    async ({ make }) => {
      await using setup = await startFailoverCluster(make(), { replicas: 2 })
      const workload = await startWriting(setup)
      await pause(500)
      await setup.cluster.switchover(setup.node('b'))
      await setup.until(({ topology }) => topology.current.primary?.id === 'b')
      await pause(500)
      const { counts, violations } = await judge(setup, workload)
      expect(violations).toEqual([])
      expect(counts.notExecuted + counts.unknown).toBeLessThanOrEqual(10)
      expect(counts.unsettled).toBe(0)
    },
  )
})
