import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createPool, type Driver } from '@poolhouse/core'
import {
  type DiscoveredNode,
  type DnsResolver,
  dns,
  type FailoverPool,
  patroni,
  withFailover,
} from '@poolhouse/failover'
import {
  type Cluster,
  historyTable,
  startCluster,
  startWorkload,
  verifyHistory,
} from '@poolhouse/testkit'
import { expect } from 'vitest'
import { scenario } from '../../support/scenario.js'

/** A REST API of Patroni whose answers the test sets. */
interface FakeRest extends AsyncDisposable {
  readonly url: string
  members: object[]
  broken: boolean
}

async function startRest(): Promise<FakeRest> {
  const server: Server = createServer((_request, response) => {
    if (rest.broken) response.writeHead(503).end('down')
    else response.end(JSON.stringify({ members: rest.members }))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const rest: FakeRest = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    members: [],
    broken: false,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
  return rest
}

const memberOf = ({ name, host, port }: Cluster['primary'], role: string): object => ({
  name,
  host,
  port,
  role,
  state: 'running',
  lag: 'unknown',
})

/** Makes the pool of a discovered node of the cluster, named like its node there. */
function poolsOf(cluster: Cluster, driver: Driver) {
  return ({ port }: DiscoveredNode) => {
    const node = cluster.nodes.find((candidate) => candidate.port === port)!
    return createPool({ driver, connection: node.url, name: node.name, max: 10 })
  }
}

async function until(pool: FailoverPool, condition: () => boolean): Promise<void> {
  for (let tries = 0; tries < 1_000; tries++) {
    if (condition()) return
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  const shown = pool.topology.current.nodes.map(
    ({ id, state, reason }) => `${id} ${state} ${reason}`,
  )
  throw new Error(`the expected state was not reached within 10 s: ${shown.join('; ')}`)
}

scenario(
  'S62: follows the members of Patroni, and SQL where the two disagree',
  async ({ make }) => {
    await using cluster = await startCluster({ replicas: 2 })
    await using rest = await startRest()
    const [a, b, c] = cluster.nodes as [Cluster['primary'], Cluster['primary'], Cluster['primary']]
    // The roles are wrong.
    rest.members = [memberOf(a, 'replica'), memberOf(b, 'leader')]
    await using pool = withFailover(
      { discover: patroni({ urls: [rest.url] }), pool: poolsOf(cluster, make()), intervalMs: 200 },
      { probe: { intervalMs: 250 } },
    )
    for (const statement of historyTable()) await pool.query(statement)
    expect(pool.topology.current.primary?.id).toBe('a')
    const workload = startWorkload({ writes: pool, writers: 4, pauseMs: 20 })
    rest.members.push({ ...memberOf(c, 'replica'), tags: { zone: 'z3' } })
    await until(pool, () => pool.topology.current.replicas.length === 2)
    expect(pool.topology.current.replicas[1]?.zone).toBe('z3')
    // The API does not answer for a while, and the primary moves meanwhile.
    rest.broken = true
    await pool.switchover(() => cluster.switchover(c))
    expect(pool.topology.current.primary?.id).toBe('c')
    rest.broken = false
    // The list lacks the primary, but SQL finds it.
    rest.members = [memberOf(b, 'leader')]
    await until(pool, () => pool.topology.current.nodes[0]?.state === 'draining')
    await until(pool, () => pool.topology.current.nodes.length === 2)
    expect(pool.topology.current.primary?.id).toBe('c')
    const history = await workload.stop()
    const { counts, violations } = await verifyHistory(history, { db: pool, pools: [pool] })
    expect(violations).toEqual([])
    expect(counts).toMatchObject({ notExecuted: 0, unknown: 0, unsettled: 0 })
  },
)

scenario(
  'S46: follows the service records of a name, and keeps the nodes when the look-up fails',
  async ({ make }) => {
    await using cluster = await startCluster({ replicas: 1 })
    let records = cluster.nodes.map(({ port }) => ({ name: '127.0.0.1', port, priority: 1 }))
    let isDown = false
    const resolver: DnsResolver = {
      resolve4: () => Promise.reject(new Error('not asked')),
      resolve6: () => Promise.reject(new Error('not asked')),
      resolveSrv: () => (isDown ? Promise.reject(new Error('down')) : Promise.resolve(records)),
    }
    await using pool = withFailover(
      {
        discover: dns({ srv: '_postgresql._tcp.test', resolver }),
        pool: poolsOf(cluster, make()),
        intervalMs: 100,
        removeAfterMs: 500,
      },
      { probe: { intervalMs: 250 } },
    )
    await pool.query('select 1')
    await until(pool, () => pool.topology.current.replicas.length === 1)
    const all = records
    isDown = true
    await new Promise((resolve) => setTimeout(resolve, 500))
    isDown = false
    records = []
    await new Promise((resolve) => setTimeout(resolve, 500))
    expect(pool.topology.current.replicas).toHaveLength(1)
    records = all.filter(({ port }) => port === cluster.primary.port)
    await until(pool, () => pool.topology.current.nodes.length === 1)
    // The server ends a session a moment after its socket was closed.
    const sessions = `select count(*)::int as n from pg_stat_activity where usename = '${cluster.user}'`
    let left: number | undefined
    for (let tries = 0; tries < 100 && left !== 0; tries++) {
      left = (await cluster.nodes[1]!.sql<{ n: number }>(sessions))[0]!.n
    }
    expect(left).toBe(0)
    records = all
    await until(pool, () => pool.topology.current.replicas.length === 1)
  },
)
