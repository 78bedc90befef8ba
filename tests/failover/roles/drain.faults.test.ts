import { setTimeout as pause } from 'node:timers/promises'
import { withReplicas } from '@poolhouse/read-replicas'
import { historyTable, startWorkload, verifyHistory } from '@poolhouse/testkit'
import { expect } from 'vitest'
import { scenario } from '../../support/scenario.js'
import { startFailoverCluster } from '../support/failover-cluster.js'

scenario(
  'S39, S73: replicas are drained and restarted one after the other without a failed call',
  async ({ make }) => {
    await using setup = await startFailoverCluster(make(), { replicas: 2 })
    const { pool } = setup
    for (const statement of historyTable()) await pool.query(statement)
    const db = withReplicas(pool, pool.topology)
    await setup.until(({ topology }) => topology.current.replicas.length === 2)
    const workload = startWorkload({ writes: db, reads: db.reader(), writers: 6, pauseMs: 10 })
    const served = new Set<string | undefined>()
    for (const name of ['b', 'c']) {
      await pause(200)
      await pool.drain(name)
      expect(pool.topology.current.replicas.map(({ id }) => id)).not.toContain(name)
      const { node } = await db.reader().query('select 1')
      served.add(node)
      expect(node).not.toBe(name)
      await setup.node(name).restart()
      await pause(600)
      const seen = pool.topology.current.nodes.find(({ id }) => id === name)
      expect(seen?.state).toBe('draining')
      pool.undrain(name)
      await setup.until(({ topology }) => topology.current.replicas.length === 2)
    }
    const history = await workload.stop()
    const { counts, violations } = await verifyHistory(history, { db: pool, pools: [pool] })
    expect(violations).toEqual([])
    expect(counts).toMatchObject({ notExecuted: 0, unknown: 0, unsettled: 0 })
    expect(served).toEqual(new Set(['b', 'c']))
  },
)

scenario('refuses to drain the primary, which goes on serving', async ({ make }) => {
  await using setup = await startFailoverCluster(make(), { replicas: 1 })
  await expect(setup.pool.drain('a')).rejects.toThrow(/switchover/)
  await setup.pool.query('insert into writes values (1)')
})
