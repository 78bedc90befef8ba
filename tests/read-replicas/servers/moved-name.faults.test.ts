import { createPool } from '@poolhouse/core'
import { withFailover } from '@poolhouse/failover'
import { withReplicas } from '@poolhouse/read-replicas'
import { describe, expect, it, onTestFinished } from 'vitest'
import { startBalancingRelay } from '../../support/balancing-relay.js'
import { everyServer } from '../../support/every-server.js'
import { untilFitting } from '../replica-cluster.js'

const BUSY = 'select pg_sleep(0.05)'

describe.each(everyServer({ replicas: 2 }))(
  'a node of a topology over $driver on PostgreSQL $version, whose name leads to another server than before',
  ({ make, cluster }) => {
    it('T52: serves reads on connections to the server that was asked, and on no others', async () => {
      const { nodes, primary: server } = await cluster()
      const [a, b, c] = nodes
      await server.sql('drop table if exists moved')
      await server.sql('create table moved(id int)')
      await server.sql('grant all on moved to public')
      await using name = await startBalancingRelay(c!.url)
      const pool = (connection: string, id: string) =>
        createPool({ driver: make(), connection, name: id, max: 10 })
      const primary = withFailover([pool(a!.url, 'a'), pool(name.through(c!.url), 'c')])
      const db = withReplicas(primary, primary.topology, { maxStalenessMs: 1_000 })
      onTestFinished(() => db.close({ timeoutMs: 1_000 }))
      await untilFitting(db, ['c'])
      await Promise.all(Array.from({ length: 4 }, () => db.reader().query(BUSY)))
      name.leadTo(b!.url)
      await c!.pauseReplay()
      try {
        const missed: number[] = []
        for (let id = 0; id < 20; id++) {
          const session = db.session()
          await session.query('insert into moved values ($1)', [id])
          // More at a time than there are connections to the old server.
          const reads = await Promise.all(
            Array.from({ length: 6 }, () =>
              session.reader().query('select from moved where id = $1', [id]),
            ),
          )
          if (reads.some(({ rows }) => rows.length === 0)) missed.push(id)
        }
        expect(missed).toEqual([])
      } finally {
        await c!.resumeReplay()
      }
    }, 30_000)
  },
)
