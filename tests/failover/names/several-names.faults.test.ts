import { type ConnectionPool, createPool } from '@poolhouse/core'
import { type DiscoveredNode, type FailoverPool, withFailover } from '@poolhouse/failover'
import { withReplicas } from '@poolhouse/read-replicas'
import { describe, expect, it, onTestFinished } from 'vitest'
import { startBalancingRelay } from '../../support/balancing-relay.js'
import { everyServer } from '../../support/every-server.js'
import { until } from '../../support/until.js'

/** The same server under another of its names. */
function named(url: string, host: string): string {
  const other = new URL(url)
  other.hostname = host
  return other.href
}

function states(pool: FailoverPool): Record<string, string> {
  return Object.fromEntries(pool.topology.current.nodes.map(({ id, state }) => [id, state]))
}

describe.each(everyServer({ replicas: 1 }))(
  'several names of one server, over $driver on PostgreSQL $version',
  ({ make, cluster }) => {
    const splits: unknown[] = []
    const poolOf = (name: string, connection: string): ConnectionPool =>
      createPool({ driver: make(), connection, name, max: 4 })
    const follow = (nodes: Parameters<typeof withFailover>[0]): FailoverPool => {
      splits.length = 0
      const pool = withFailover(nodes, { probe: { intervalMs: 100 }, hold: { timeoutMs: 5_000 } })
      pool.on('split-brain', (event) => splits.push(event))
      onTestFinished(() => pool.close({ timeoutMs: 0 }))
      return pool
    }

    it('T53: are one node: one of them takes the work, and nothing is refused', async () => {
      const { primary } = await cluster()
      const db = follow([
        poolOf('address', primary.url),
        poolOf('name', named(primary.url, 'localhost')),
      ])
      for (let n = 0; n < 10; n++) {
        expect(await db.query('create table if not exists named(id int)')).toMatchObject({
          node: 'address',
        })
      }
      await until(async () => states(db)['name'] === 'draining')
      expect(states(db)).toEqual({ address: 'primary', name: 'draining' })
      expect(db.topology.current.nodes[1]!.reason).toBe(
        'primary on timeline 1; another name of the server of "address"',
      )
      expect(splits).toEqual([])
    })

    it('T53: may include a reader endpoint that leads to the writer while there is no replica, and back', async () => {
      const { nodes } = await cluster()
      const [primary, replica] = nodes
      await using endpoint = await startBalancingRelay(replica!.url)
      const db = follow([
        poolOf('writer', primary!.url),
        poolOf('reader', endpoint.through(replica!.url)),
      ])
      const reads = withReplicas(db, db.topology)
      await until(async () => states(db)['reader'] === 'replica')
      endpoint.leadTo(primary!.url)
      await replica!.restart()
      await until(async () => states(db)['reader'] === 'draining')
      for (let n = 0; n < 20; n++) {
        expect(await db.query('select pg_is_in_recovery() as standby')).toMatchObject({
          node: 'writer',
          rows: [{ standby: false }],
        })
        const read = await reads.reader().query('select pg_is_in_recovery() as standby')
        expect(read.rows).toEqual([{ standby: false }])
      }
      expect(splits).toEqual([])
      endpoint.leadTo(replica!.url)
      await until(async () => states(db)['reader'] === 'replica')
    }, 30_000)

    it('T53: keep the open transaction under the old name when a discovery lists another one', async () => {
      const { primary } = await cluster()
      const port = Number(new URL(primary.url).port)
      let listed: DiscoveredNode[] = [{ host: '127.0.0.1', port, name: 'old' }]
      const db = follow({
        discover: { name: 'list', next: async () => ({ nodes: listed }) },
        intervalMs: 50,
        removeAfterMs: 10_000,
        pool: ({ host, name }) => poolOf(name!, named(primary.url, host)),
      })
      await db.query('create table if not exists moved(id int)')
      const told: string[] = []
      for (const event of ['fenced', 'foreign'] as const) db.on(event, () => told.push(event))
      await db.transaction(async (tx) => {
        await tx.query('insert into moved values (1)')
        listed = [{ host: 'localhost', port, name: 'new' }]
        await until(async () => db.topology.current.primary?.id === 'new')
        expect(states(db)).toEqual({ old: 'draining', new: 'primary' })
        expect(await db.query('select 1 as one')).toMatchObject({ node: 'new' })
        await tx.query('insert into moved values (2)')
      })
      const { rows } = await db.query('select count(*)::int as n from moved')
      expect(rows).toEqual([{ n: 2 }])
      expect([...splits, ...told]).toEqual([])
      await db.query('drop table moved')
    })
  },
)
