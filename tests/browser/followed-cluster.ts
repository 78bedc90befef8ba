import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { createPool } from '@poolhouse/core'
import { createDashboard } from '@poolhouse/dashboard'
import { type FailoverPool, withFailover } from '@poolhouse/failover'
import { nodePostgres } from '@poolhouse/node-postgres'
import { type ReplicaPool, withReplicas } from '@poolhouse/read-replicas'
import { type Cluster, startCluster } from '@poolhouse/testkit'

/** A real cluster, its pools as an application makes them, and a dashboard of them. */
export interface FollowedCluster extends AsyncDisposable {
  readonly cluster: Cluster
  readonly primary: FailoverPool
  readonly db: ReplicaPool
  /** Address of the page. */
  readonly address: string
  /** Makes reads and writes at a steady pace; resolves, once stopped, when all have settled. */
  load(): { stop(): Promise<void> }
}

/** Starts a primary with two synchronous replicas and a dashboard. */
export async function startFollowedCluster(): Promise<FollowedCluster> {
  const cluster = await startCluster({ replicas: 2, synchronous: true })
  const driver = nodePostgres()
  const nodes = cluster.nodes.map(({ name, url }) =>
    createPool({ driver, connection: url, name, max: 10 }),
  )
  const primary = withFailover(nodes, { name: 'app' })
  const db = withReplicas(primary, primary.topology, { name: 'app' })
  await db.query('create table orders (id bigint generated always as identity, item text)')
  const dashboard = createDashboard(db)
  const server = createServer(dashboard)
  const address = await listen(server)
  return {
    cluster,
    primary,
    db,
    address,
    load: () => load(db),
    async [Symbol.asyncDispose]() {
      dashboard.close()
      server.closeAllConnections()
      server.close()
      await db.close({ timeoutMs: 1_000 })
      await cluster.stop()
    },
  }
}

/** Listens on a free port of this machine. Returns the address, with a slash at its end. */
export async function listen(server: Server, port = 0): Promise<string> {
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
}

function load(db: ReplicaPool): { stop(): Promise<void> } {
  const stopped = new AbortController()
  const reader = db.reader()
  const work = [
    every(8, () => db.query('insert into orders (item) select $1 from pg_sleep(0.01)', ['tea'])),
    every(5, () => reader.query('select id, item from orders order by id desc limit 5')),
    every(700, () =>
      db.transaction(async (tx) => {
        await tx.query('select sum(id) as total from orders, pg_sleep(0.3)')
        await tx.query('update orders set item = $1 where id = 1', ['coffee'])
      }),
    ),
  ]
  return {
    async stop() {
      stopped.abort()
      await Promise.all(work)
    },
  }

  /** The pace stays the same however long the answers take. What fails is told on the page. */
  async function every(ms: number, call: () => Promise<unknown>): Promise<void> {
    const { signal } = stopped
    const underWay = new Set<Promise<unknown>>()
    while (!signal.aborted) {
      const one: Promise<unknown> = call().then(
        () => underWay.delete(one),
        () => underWay.delete(one),
      )
      underWay.add(one)
      await sleep(ms)
    }
    await Promise.all(underWay)
  }
}
