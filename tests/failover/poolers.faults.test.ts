import { createPool } from '@poolhouse/core'
import { type FailoverPool, withFailover } from '@poolhouse/failover'
import { startCluster, startPgBouncer } from '@poolhouse/testkit'
import { expect } from 'vitest'
import { scenario } from '../support/scenario.js'

/** Resolves when the view of the first node says so. */
async function until(pool: FailoverPool, reason: RegExp): Promise<void> {
  for (let tries = 0; tries < 1_000; tries++) {
    if (reason.test(pool.topology.current.nodes[0]!.reason)) return
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  throw new Error(`not within 10 s: ${reason}; ${pool.topology.current.nodes[0]!.reason}`)
}

scenario(
  'sees a PgBouncer that it was not told of, and writes on through a restart behind it',
  async ({ make }) => {
    await using cluster = await startCluster({ replicas: 0 })
    await using bouncer = await startPgBouncer({ target: cluster.primary.url })
    const node = createPool({ driver: make(), connection: bouncer.url, name: 'p', prepare: 'off' })
    await using pool = withFailover([node], { probe: { intervalMs: 100 } })
    await pool.query('create table t(id int)')
    await until(pool, /behind a pooler/)
    await pool.query('insert into t values (1)')
    await cluster.primary.restart()
    await pool.query('insert into t values (2)')
    expect(await cluster.primary.sql('select id from t order by id')).toEqual([
      { id: 1 },
      { id: 2 },
    ])
  },
)
