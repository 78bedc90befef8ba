import { setTimeout as pause } from 'node:timers/promises'
import { type ConnectionPool, createPool, type Driver } from '@poolhouse/core'
import { type FailoverPool, withFailover } from '@poolhouse/failover'
import {
  historyTable,
  startCluster,
  startHaproxy,
  startPgBouncer,
  startWorkload,
  verifyHistory,
} from '@poolhouse/testkit'
import { expect, onTestFinished } from 'vitest'
import { scenario } from '../../support/scenario.js'
import { replicasCaughtUp } from '../../support/servers/replicas-caught-up.js'

/** Resolves when state and reason of the first node match. */
async function until(pool: FailoverPool, reason: RegExp): Promise<void> {
  const shown = (): string => {
    const [node] = pool.topology.current.nodes
    return `${node!.state}: ${node!.reason}`
  }
  for (let tries = 0; tries < 1_500; tries++) {
    if (reason.test(shown())) return
    await pause(10)
  }
  throw new Error(`not within 15 s: ${reason}; ${shown()}`)
}

function nodeAt(driver: Driver, connection: string, name = 'p'): ConnectionPool {
  return createPool({ driver, connection, name, prepare: 'off', max: 10 })
}

scenario(
  'notices an undeclared PgBouncer, and goes on writing through a restart of the server behind it',
  async ({ make }) => {
    await using cluster = await startCluster({ replicas: 0 })
    await using bouncer = await startPgBouncer({ target: cluster.primary.url, poolSize: 10 })
    await using pool = withFailover([nodeAt(make(), bouncer.url)], { probe: { intervalMs: 100 } })
    for (const text of historyTable()) await pool.query(text)
    await until(pool, /behind a pooler/)
    const workload = startWorkload({ writes: pool, writers: 4, deadlineMs: 15_000 })
    await pause(300)
    await cluster.primary.restart()
    await until(pool, /^primary:/)
    await pause(500)
    const { counts, violations } = await verifyHistory(await workload.stop(), {
      db: pool,
      pools: [pool],
    })
    expect(violations).toEqual([])
    // Only statements that PgBouncer had passed on when the server went. Those for which it had no
    // server were sent again.
    expect(counts.unknown).toBeLessThanOrEqual(4)
    expect(counts.unsettled).toBe(0)
  },
)

scenario(
  'behind a PgBouncer for each server, calls that wait for a connection to the dead primary go to the promoted one',
  async ({ make }) => {
    await using cluster = await startCluster({ replicas: 1, synchronous: true })
    // What waits inside PgBouncer cannot be called back, and by default waits for two minutes.
    const settings = { query_wait_timeout: 2 }
    const [a, b] = await Promise.all(
      cluster.nodes.map(({ url }) => startPgBouncer({ target: url, poolSize: 20, settings })),
    )
    onTestFinished(() => Promise.all([a!.stop(), b!.stop()]).then(() => {}))
    const nodes = [nodeAt(make(), a!.url, 'a'), nodeAt(make(), b!.url, 'b')]
    await using pool = withFailover(nodes, { probe: { intervalMs: 100 } })
    for (const text of historyTable()) await pool.query(text)
    const workload = startWorkload({ writes: pool, writers: 8, deadlineMs: 60_000 })
    await pause(500)
    await cluster.nodes[0]!.kill()
    await cluster.nodes[1]!.promote()
    await cluster.nodes[1]!.sql("alter system set synchronous_standby_names = ''")
    await cluster.nodes[1]!.sql('select pg_reload_conf()')
    const promotedAt = performance.now()
    await pause(3_000)
    const history = await workload.stop(30_000)
    const late = history.operations.flatMap(({ outcome, settledAt }) =>
      outcome?.kind === 'failed' && settledAt! > promotedAt + 9_000 ? [outcome] : [],
    )
    expect(late).toEqual([])
    const { violations } = await verifyHistory(history, { db: pool, pools: [pool] })
    expect(violations).toEqual([])
  },
)

scenario(
  'behind a HAProxy that is switched to the promoted server, writes wait and nothing is lost or done twice',
  async ({ make }) => {
    await using cluster = await startCluster({ replicas: 1, synchronous: true })
    await using haproxy = await startHaproxy({ targets: cluster.nodes.map(({ url }) => url) })
    await using pool = withFailover([nodeAt(make(), haproxy.url)], { probe: { intervalMs: 100 } })
    for (const text of historyTable()) await pool.query(text)
    const told: string[] = []
    pool.on('topology', ({ reason }) => told.push(reason))
    const workload = startWorkload({ writes: pool, writers: 4, deadlineMs: 15_000 })
    await pause(300)
    const [a, b] = cluster.nodes
    await a!.kill()
    await haproxy.pointTo(undefined)
    await b!.promote()
    await b!.sql("alter system set synchronous_standby_names = ''")
    await b!.sql('select pg_reload_conf()')
    await haproxy.pointTo(1)
    const switchedAt = performance.now()
    await until(pool, /^primary: primary on timeline 2/)
    await pause(500)
    const history = await workload.stop()
    const { counts, violations } = await verifyHistory(history, { db: pool, pools: [pool] })
    expect(violations).toEqual([])
    const failed = history.operations.flatMap(({ invokedAt, outcome }) =>
      outcome?.kind === 'failed' ? [{ invokedAt, ...outcome }] : [],
    )
    // A transaction that loses its connection in the middle is rolled back, and not begun again
    // unless its caller has declared that.
    expect(failed.filter(({ executed }) => executed === 'no')).toEqual([])
    // The connections do not all die in the same moment, so a worker may fail on several of them;
    // later than that it waits.
    expect(failed.filter(({ invokedAt }) => invokedAt > switchedAt)).toEqual([])
    expect(failed.length).toBeLessThanOrEqual(10)
    expect(counts.unsettled).toBe(0)
    expect(told.join('\n')).toMatch(/timeline 1 → 2/)
  },
)

scenario(
  'behind a HAProxy that is switched back to a stale primary, calls fail with a FencedError and nothing is sent there',
  async ({ make }) => {
    await using cluster = await startCluster({ replicas: 1 })
    await using haproxy = await startHaproxy({ targets: cluster.nodes.map(({ url }) => url) })
    await using pool = withFailover([nodeAt(make(), haproxy.url)], {
      probe: { intervalMs: 100 },
      hold: { timeoutMs: 300 },
    })
    await pool.query('create table t(id int)')
    await replicasCaughtUp(cluster)
    const [a, b] = cluster.nodes
    await b!.promote()
    await haproxy.pointTo(1)
    await until(pool, /^primary: primary on timeline 2/)
    await pool.query('insert into t values (1)')
    await haproxy.pointTo(0)
    await until(pool, /^fenced: claims to be primary on timeline 1, but timeline 2 has been seen/)
    await expect(pool.query('insert into t values (2)')).rejects.toMatchObject({
      name: 'NoPrimaryError',
      executed: 'no',
      cause: { name: 'FencedError', code: 'POOLHOUSE_FENCED', executed: 'no' },
    })
    expect(await a!.sql('select id from t')).toEqual([])
    await haproxy.pointTo(1)
    await until(pool, /^primary:/)
    expect(await pool.query('insert into t values (3)')).toMatchObject({ rowCount: 1 })
  },
)
