import { createPool, type DivergedEvent } from '@poolhouse/core'
import { withReplicas } from '@poolhouse/read-replicas'
import { describe, expect, it, onTestFinished } from 'vitest'
import { everyServer } from '../../support/every-server.js'
import { until } from '../replica-cluster.js'

describe.each(everyServer({ replicas: 1 }))(
  'a replica over $driver on PostgreSQL $version, for a role without rights',
  ({ make, cluster }) => {
    it('T51: that was promoted by mistake serves no read, and is told of once', async () => {
      const [a, b] = (await cluster()).nodes
      const [primary, replica] = [a!, b!].map(({ url, name }) =>
        createPool({ driver: make(), connection: url, name }),
      )
      const db = withReplicas(primary!, [replica!], { maxStalenessMs: Number.POSITIVE_INFINITY })
      onTestFinished(() => db.close({ timeoutMs: 1_000 }))
      const told: DivergedEvent[] = []
      db.on('diverged', (event) => told.push(event))
      const [role] = await b!.sql<{ standby: boolean }>('select pg_is_in_recovery() as standby')
      // The servers are shared by the drivers: the second one finds it promoted.
      if (role!.standby) {
        await until(
          async () => (await db.reader().query('select 1')).node,
          (node) => node === 'b',
        )
        await b!.promote({ refollow: false })
      }
      await until(
        () => told.length,
        (times) => times > 0,
      )
      expect(told).toMatchObject([{ node: 'b', timeline: 2 }])
      expect(db.strays.get('b')).toContain('diverged: it is not in recovery')
      for (let read = 0; read < 20; read++) {
        expect((await db.reader().query('select 1')).node).toBe('a')
      }
      const { candidates } = db.explainRoute('select 1', { intent: 'read' })
      expect(candidates).toMatchObject([{ node: 'b', eligible: false }])
    }, 30_000)
  },
)
