import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type ConnectionPool, createPool } from '@poolhouse/core'
import { withFailover } from '@poolhouse/failover'
import { withReplicas } from '@poolhouse/read-replicas'
import {
  type Cluster,
  historyTable,
  startCluster,
  startPgpool,
  startWorkload,
  verifyHistory,
} from '@poolhouse/testkit'
import { describe, expect, it, onTestFinished } from 'vitest'
import { DRIVERS } from '../support/drivers.js'

const WRITERS = 6

/**
 * A cluster whose failed primary Pgpool-II notices by its health checks. Its `failover_command`
 * says which server is to be the primary; what it would do over ssh is done here.
 */
async function startWatched() {
  const folder = mkdtempSync(join(tmpdir(), 'pgpool-'))
  const orders = join(folder, 'orders')
  writeFileSync(orders, '')
  chmodSync(folder, 0o777)
  chmodSync(orders, 0o666)
  writeFileSync(join(folder, 'failover.sh'), `echo "$1 $2 $3" >> ${orders}\n`)
  const cluster = await startCluster({
    replicas: 2,
    // Pgpool-II takes the first standby that is up, whichever has most.
    settings: { synchronous_standby_names: 'FIRST 1 (a, b, c)' },
  })
  const pgpool = await startPgpool({
    targets: cluster.nodes.map(({ url }) => url),
    settings: {
      health_check_period: 1,
      health_check_timeout: 2,
      health_check_max_retries: 1,
      health_check_retry_delay: 1,
      health_check_user: cluster.user,
      health_check_database: cluster.database,
      // The failed node, the one that was the primary, and the one that is to be.
      failover_command: `/bin/sh ${join(folder, 'failover.sh')} %d %P %m`,
    },
  })
  let done = 0
  const watching = setInterval(() => {
    const lines = readFileSync(orders, 'utf8').split('\n').slice(0, -1)
    for (const line of lines.slice(done)) {
      const [failed, primary, next] = line.split(' ').map(Number)
      if (failed === primary) void cluster.nodes[next!]!.promote()
    }
    done = lines.length
  }, 20)
  onTestFinished(async () => {
    clearInterval(watching)
    await pgpool.stop()
    await cluster.stop()
    rmSync(folder, { recursive: true })
  })
  for (const text of historyTable()) await cluster.primary.sql(text)
  await cluster.primary.sql('grant all on poolhouse_history to app')
  return { cluster, pgpool }
}

async function promoted(cluster: Cluster, old: string): Promise<string> {
  for (;;) {
    const next = cluster.nodes.find(({ name, promotedAt }) => name !== old && promotedAt)
    if (next !== undefined) return next.name
    await sleep(20)
  }
}

describe.each(DRIVERS)('a cluster that Pgpool-II fails over, over $driver', ({ make }) => {
  it.each(['kill', 'freeze'] as const)(
    'S58, S60: %s of the primary: a pool on the servers themselves follows, and loses nothing',
    async (how) => {
      const { cluster } = await startWatched()
      const driver = make()
      const primary = withFailover(
        cluster.nodes.map(({ name, url }) =>
          createPool({ driver, connection: url, name, max: 10 }),
        ),
        { hold: { timeoutMs: 30_000 } },
      )
      await using db = withReplicas(primary, primary.topology)
      const sessions = Array.from({ length: WRITERS }, () => db.session())
      const own = (worker: number) => sessions[worker]!
      const workload = startWorkload({
        writes: own,
        reads: own,
        writers: WRITERS,
        deadlineMs: 30_000,
      })
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
      expect(counts.unknown + counts.notExecuted).toBeLessThanOrEqual(WRITERS)
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
})
