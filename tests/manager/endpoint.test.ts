import { createManager } from '@poolhouse/manager'
import { describe, expect, it } from 'vitest'
import { startBalancingRelay } from '../support/balancing-relay.js'
import { everyServer } from '../support/every-server.js'
import { until } from '../support/until.js'

describe.each(everyServer({ replicas: 2 }))(
  'a reader endpoint of a managed database over $driver on PostgreSQL $version',
  ({ make, cluster }) => {
    it('T52: serves each database and tenant from servers that are fresh enough for it', async () => {
      const { primary, nodes } = await cluster()
      const [, fresh, paused] = nodes
      await using relay = await startBalancingRelay(fresh!.url, paused!.url)
      await primary.sql('create table if not exists seen(id int)')
      await primary.sql('grant all on seen to app')
      await using manager = createManager({
        drivers: { only: make() },
        databases: { app: { primary: primary.url, replicas: [relay.through(primary.url)] } },
        tenants: { resolve: () => ({ schema: 'public' }) },
      })
      const pools = [manager.database('app'), manager.tenant('acme')]
      await until(async () => {
        const ports = new Set<unknown>()
        await Promise.all(
          Array.from({ length: 16 }, async (_, n) => {
            const { rows } = await pools[n % 2]!.reader().query('select inet_server_port() as port')
            ports.add(rows[0]!['port'])
          }),
        )
        return ports.has(fresh!.port) && ports.has(paused!.port)
      })
      await paused!.pauseReplay()
      try {
        let missed = 0
        await Promise.all(
          Array.from({ length: 40 }, async (_, id) => {
            const session = manager.database('app').session()
            await session.query('insert into seen values ($1)', [id])
            const { rows } = await session
              .reader({ maxStalenessMs: Number.POSITIVE_INFINITY })
              .query('select from seen where id = $1', [id])
            if (rows.length === 0) missed++
          }),
        )
        expect(missed).toBe(0)
        // Within the bound both may serve; after it only the one that goes on.
        await until(async () => {
          await pools[0]!.query('insert into seen values (-1)')
          const reads = await Promise.all(
            Array.from({ length: 20 }, (_, n) =>
              pools[n % 2]!.reader({ maxStalenessMs: 500 }).query(
                'select inet_server_port() as port',
              ),
            ),
          )
          return reads.every(({ rows }) => rows[0]!['port'] !== paused!.port)
        })
      } finally {
        await paused!.resumeReplay()
      }
    })
  },
)
