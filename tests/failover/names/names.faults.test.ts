import { createPool, type Driver } from '@poolhouse/core'
import { type FailoverPool, withFailover } from '@poolhouse/failover'
import { type Cluster, type ClusterNode, startCluster } from '@poolhouse/testkit'
import { expect } from 'vitest'
import { scenario } from '../../support/scenario.js'
import { until } from '../../support/until.js'
import { type MovingName, startMovingName } from '../support/moving-name.js'

/** One node with a host name, as hosted services have it. */
function follow(cluster: Cluster, name: MovingName, driver: Driver): FailoverPool {
  const connection = {
    host: name.host,
    port: name.port,
    user: cluster.user,
    database: cluster.database,
    ssl: false,
  } as const
  const pool = createPool({ driver, connection, name: 'db', max: 4 })
  return withFailover([pool], { probe: { intervalMs: 250 }, hold: { timeoutMs: 30_000 } })
}

/** Port of the server that the pool's connections lead to. */
const PORT = 'select inet_server_port() as port, pg_is_in_recovery() as standby'

scenario(
  'F22: follows a name that moves after the loss of its server, even if its first address is dead',
  async ({ make }) => {
    await using cluster = await startCluster({ replicas: 1 })
    const [a, b] = cluster.nodes as [ClusterNode, ClusterNode]
    await using name = await startMovingName([a.port, b.port])
    await using pool = follow(cluster, name, make())
    expect((await pool.query(PORT)).rows).toEqual([{ port: a.port, standby: false }])
    await a.kill()
    const held = pool.query(PORT)
    await b.promote()
    // Nothing listens at the first.
    name.leadTo(9, 1)
    expect((await held).rows).toEqual([{ port: b.port, standby: false }])
    // A new connection may lead there before the next probe does.
    await until(async () => pool.topology.current.timeline === 2)
  },
)

scenario(
  'F22: looks a name up again that leads to a standby first, and keeps no connection to the standby',
  async ({ make }) => {
    await using cluster = await startCluster({ replicas: 2 })
    const [a, b, c] = cluster.nodes as [ClusterNode, ClusterNode, ClusterNode]
    await using name = await startMovingName([a.port, b.port, c.port])
    await using pool = follow(cluster, name, make())
    await pool.query('select 1')
    await a.kill()
    await b.promote()
    // Not every name server has the new address yet.
    name.leadTo(2)
    await until(async () => pool.topology.current.nodes[0]?.state === 'replica')
    const [node] = pool.topology.current.nodes
    // The pool of the node has a connection to the standby.
    expect((await node!.pool.query(PORT)).rows).toEqual([{ port: c.port, standby: true }])
    const held = pool.query(PORT)
    name.leadTo(1)
    expect((await held).rows).toEqual([{ port: b.port, standby: false }])
    const sessions = 'select count(*)::int as n from pg_stat_activity where usename = $1'
    await until(async () => (await c.sql<{ n: number }>(sessions, [cluster.user]))[0]!.n === 0)
    expect(pool.topology.current.nodes[0]?.reason).toBe('primary on timeline 2')
  },
)
