import { createPool } from '@poolhouse/core'
import { withFailover } from '@poolhouse/failover'
import { nodePostgres } from '@poolhouse/node-postgres'
import { Client } from '@poolhouse/node-postgres/compat'
import { postgresJs } from '@poolhouse/postgres-js'
import { type ReplicaPool, withReplicas } from '@poolhouse/read-replicas'
import type { Cluster } from '@poolhouse/testkit'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { failureOf } from '../support/failure-of.js'
import { guardProcess } from '../support/process-guards.js'
import { sharedCluster } from '../support/servers/shared-cluster.js'
import { until } from '../support/until.js'

guardProcess()
const start = sharedCluster({ replicas: 1 })
const PORT = 'select inet_server_port() as port'

let cluster: Cluster
let db: ReplicaPool
let AppClient: typeof Client

beforeAll(async () => {
  cluster = await start()
  const driver = nodePostgres()
  const nodes = cluster.nodes.map(({ url }) => createPool({ driver, connection: url }))
  const primary = withFailover(nodes)
  db = withReplicas(primary, primary.topology)
  await db.ready()
  AppClient = Client.bind({ app: db })
}, 60_000)
afterAll(() => db?.close())

function config(host: string): pg.PoolConfig {
  return { host, user: 'app', database: 'app' }
}

async function portOf(client: pg.ClientBase | pg.Pool): Promise<number> {
  return (await client.query<{ port: number }>(PORT)).rows[0]!.port
}

describe('a client bound to a pool', () => {
  it('is a pg.Client that connects to the server with the role of its host', async () => {
    const { primary, replicas } = cluster
    for (const [host, node] of [
      ['app.primary', primary],
      ['app.replica', replicas[0]],
      ['primary', primary],
      ['replica', replicas[0]],
    ] as const) {
      const client = new AppClient(config(host))
      expect(client).toBeInstanceOf(pg.Client)
      await client.connect()
      expect(await portOf(client)).toBe(node!.port)
      expect(client.port).toBe(node!.port)
      await client.end()
    }
  })

  it('takes its role from a connection string, and calls back', async () => {
    const client = new AppClient('postgres://app@app.replica:1/app')
    await new Promise<void>((resolve, reject) => {
      client.connect((error: Error | null) => (error ? reject(error) : resolve()))
    })
    expect(await portOf(client)).toBe(cluster.replicas[0]!.port)
    await client.end()
  })

  it('leaves any other host as it is', async () => {
    const { host, port } = cluster.primary
    const client = new AppClient({ ...config(host), port })
    await client.connect()
    expect(await portOf(client)).toBe(port)
    await client.end()
  })

  it('works in a pg.Pool', async () => {
    const pool = new pg.Pool({ ...config('app.replica'), Client: AppClient })
    expect(await portOf(pool)).toBe(cluster.replicas[0]!.port)
    await pool.end()
  })

  it('does not connect after end, even while its role is looked up', async () => {
    const client = new AppClient(config('app.primary'))
    const connecting = failureOf(client.connect())
    await client.end()
    expect(await connecting).toMatchObject({ name: 'ConnectionLostError', executed: 'no' })
  })

  it('refuses the role of a pool that is not bound, and names the nearest', () => {
    expect(() => new AppClient(config('ap.primary'))).toThrow(
      'host "ap.primary" names no pool that Client.bind was given; did you mean "app.primary"?',
    )
    const Two = Client.bind({ one: db, two: db })
    expect(() => new Two(config('primary'))).toThrow('bound: one, two')
  })

  it('refuses what is no pool, and a pool over another driver', async () => {
    expect(() => Client.bind({})).toThrow('Client.bind: give at least one pool')
    expect(() => Client.bind({ app: new pg.Pool() as never })).toThrow(
      'Client.bind: app must be a pool of Poolhouse',
    )
    const other = createPool({ driver: postgresJs(), connection: cluster.primary.url })
    expect(() => Client.bind({ app: other })).toThrow('only connections of nodePostgres()')
    await other.close()
  })

  it('breaks when its server leaves the role, and a new one finds the new server', async () => {
    const lost: Record<string, string[]> = { 'app.primary': [], 'app.replica': [] }
    for (const [host, names] of Object.entries(lost)) {
      const client = new AppClient(config(host))
      await client.connect()
      client.on('error', ({ name }) => names.push(name))
    }
    const replica = cluster.replicas[0]!
    await cluster.switchover(replica)
    await until(() => Object.values(lost).every((names) => names.length > 0))
    // Its server went on: it was idle, so it left as soon as the role had changed. `pg` adds an
    // error of its own.
    expect(lost['app.replica']?.[0]).toBe('ConnectionLostError')

    const client = new AppClient(config('app.primary'))
    await client.connect()
    expect(await portOf(client)).toBe(replica.port)
    await client.end()
  }, 60_000)
})
