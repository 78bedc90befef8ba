import { AuthenticationError, createPool } from '@poolhouse/core'
import { withFailover } from '@poolhouse/failover'
import { historyTable, startCluster, startWorkload, verifyHistory } from '@poolhouse/testkit'
import { expect } from 'vitest'
import { failureOf } from '../../support/failure-of.js'
import { scenario } from '../../support/scenario.js'
import { until } from '../../support/until.js'

scenario(
  'F25, S10: a rotated password is asked for once more, and only calls in flight fail; a wrong one rejects calls at once and is tried rarely',
  async ({ make }) => {
    await using cluster = await startCluster({ replicas: 1, auth: 'scram-sha-256' })
    const { primary, user, database } = cluster
    let current = cluster.password
    // The answer of a cache before it looks again.
    let stale: string | undefined
    let asked = 0
    const password = (): string => {
      asked++
      const said = stale ?? current
      stale = undefined
      return said
    }
    const driver = make()
    const nodes = cluster.nodes.map(({ name, host, port }) =>
      createPool({ driver, connection: { host, port, user, database, password }, name, max: 8 }),
    )
    await using pool = withFailover(nodes, {
      probe: { intervalMs: 250 },
      hold: { timeoutMs: 20_000 },
    })
    for (const text of historyTable()) await pool.query(text)
    const rotate = async (to: string): Promise<void> => {
      await primary.sql(`alter role ${user} password '${to}'`)
    }
    const endSessions = 'select pg_terminate_backend(pid) from pg_stat_activity where usename = $1'

    const workload = startWorkload({ writes: pool, writers: 4, pauseMs: 10 })
    await until(async () => workload.history.operations.length > 50)
    await rotate('second')
    stale = current
    current = 'second'
    await primary.sql(endSessions, [user])
    const before = workload.history.operations.length
    await until(async () => workload.history.operations.length > before + 100)
    const { counts, violations } = await verifyHistory(await workload.stop(), {
      db: pool,
      pools: [pool],
    })
    expect(violations).toEqual([])
    expect(counts.unknown + counts.notExecuted).toBeLessThanOrEqual(4)

    await rotate('third')
    current = 'wrong'
    await primary.sql(endSessions, [user])
    // A call on a session whose end is not known yet would be in doubt.
    await until(() => nodes[0]!.stats().idle === 0)
    const refused = await failureOf(pool.query('select 1', undefined, { timeoutMs: 15_000 }))
    expect(refused).toBeInstanceOf(AuthenticationError)
    // No node is declared dead, and the replica is not tried instead.
    await until(async () => {
      const [a, b] = pool.topology.current.nodes
      return a?.state === 'unknown' && b?.state === 'replica'
    })
    asked = 0
    const hammeredUntil = performance.now() + 2_000
    let calls = 0
    while (performance.now() < hammeredUntil) {
      expect(await failureOf(pool.query('select 1'))).toBeInstanceOf(AuthenticationError)
      calls++
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
    expect(calls).toBeGreaterThan(20)
    // Two for each connect that is refused: those of the pool's breaker and of the probes, both
    // with a pause that doubles.
    expect(asked).toBeLessThan(30)

    current = 'third'
    await until(async () =>
      pool.query('select 1').then(
        () => true,
        () => false,
      ),
    )
  },
)
