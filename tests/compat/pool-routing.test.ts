import { ConfigError, createPool } from '@poolhouse/core'
import { withFailover } from '@poolhouse/failover'
import { createManager } from '@poolhouse/manager'
import { nodePostgres } from '@poolhouse/node-postgres'
import { type CreatePgPoolOptions, createPgPool } from '@poolhouse/node-postgres/compat'
import { postgresJs } from '@poolhouse/postgres-js'
import {
  type ReplicaPool,
  type ReplicasOptions,
  runWith,
  withReplicas,
} from '@poolhouse/read-replicas'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import {
  type ReplicaCluster,
  startReplicaCluster,
  untilFitting,
} from '../read-replicas/replica-cluster.js'
import { failureOf } from '../support/failure-of.js'
import { guardProcess } from '../support/process-guards.js'

guardProcess()
let setting: ReplicaCluster
beforeAll(async () => {
  setting = await startReplicaCluster({ auth: 'scram-sha-256' })
  await setting.primary.sql(
    `create function note(id int) returns int language sql as 'insert into notes values (id) returning id'`,
  )
})
afterAll(() => setting?.[Symbol.asyncDispose]())

const READ = 'select count(*)::int as n from notes'
const WRITE = 'insert into notes values ($1)'
const CLASSIFIES: ReplicasOptions = { classify: 'conservative' }

/** A facade over the cluster whose replicas are ready, and the pool under it. */
async function open(
  replicas: ReplicasOptions = CLASSIFIES,
  options?: CreatePgPoolOptions,
): Promise<{ pool: pg.Pool; db: ReplicaPool }> {
  const { db } = setting.connect(nodePostgres(), replicas)
  const pool = createPgPool(db, options)
  onTestFinished(() => db.close({ timeoutMs: 0 }))
  await untilFitting(db, ['b', 'c'])
  return { pool, db }
}

/** Name of the node that served the query. */
async function nodeOf(asked: Promise<pg.QueryResult>): Promise<string | undefined> {
  return ((await asked) as { node?: string }).node
}

describe('pool.query of a facade over a pool with replicas', () => {
  it('sends what the classifier takes for a read to a replica, and the rest to the primary', async () => {
    const { pool } = await open()
    expect(['b', 'c']).toContain(await nodeOf(pool.query(READ)))
    expect(['b', 'c']).toContain(await nodeOf(pool.query({ text: READ, rowMode: 'array' })))
    expect(await nodeOf(pool.query(WRITE, [1]))).toBe('a')
    expect(await nodeOf(pool.query('update notes set id = 1 where false; select 1'))).toBe(
      undefined,
    )
  })

  it('reads its own writes, also where the replicas are behind', async () => {
    const { pool } = await open()
    await Promise.all([setting.b, setting.c].map((node) => node.pauseReplay()))
    try {
      const before = (await pool.query<{ n: number }>(READ)).rows[0]!.n
      for (let round = 1; round <= 3; round++) {
        await pool.query(WRITE, [round])
        expect((await pool.query(READ)).rows).toEqual([{ n: before + round }])
      }
    } finally {
      await Promise.all([setting.b, setting.c].map((node) => node.resumeReplay()))
    }
  })

  it('sends nothing to a replica with reads: "primary"', async () => {
    const { pool } = await open(CLASSIFIES, { reads: 'primary' })
    expect(await nodeOf(pool.query(READ))).toBe('a')
    expect(await runWith({ intent: 'read' }, () => nodeOf(pool.query(READ)))).toBe('a')
  })

  it('takes the bounds of reads as an object', async () => {
    const { pool } = await open(CLASSIFIES, { reads: { maxStalenessMs: 0 } })
    expect(await nodeOf(pool.query(READ))).toBe('a')
  })

  it('takes intent and session from runWith', async () => {
    const { pool, db } = await open({})
    expect(await nodeOf(pool.query(READ))).toBe('a')
    expect(['b', 'c']).toContain(await runWith({ intent: 'read' }, () => nodeOf(pool.query(READ))))
    const session = db.session()
    await runWith({ session }, () => pool.query(WRITE, [2]))
    expect(session.hasWritten).toBe(true)
  })

  it('sends a read that turns out to write to the primary, and remembers that', async () => {
    const { pool, db } = await open({ classify: 'optimistic' })
    const text = 'select note(7) as id'
    expect(await nodeOf(pool.query(text))).toBe('a')
    const reruns = db.stats().routing!['reruns']
    expect(await nodeOf(pool.query(text))).toBe('a')
    expect(db.stats().routing!['reruns']).toBe(reruns)
  })

  it('tells of an error of a replica which node it was', async () => {
    const { pool } = await open()
    const error = await failureOf(pool.query('select 1 / (id - id) from generate_series(1, 1) id'))
    expect(error).toBeInstanceOf(pg.DatabaseError)
    expect(error).toMatchObject({ code: '22012' })
    expect(['a', 'b', 'c']).toContain((error as { node?: string }).node)
  })
})

describe('a facade over other pools', () => {
  it('describes the primary of the moment, with a password that is not enumerable', async () => {
    const { pool } = await open()
    const url = new URL(setting.primary.url)
    expect(pool.options).toMatchObject({
      host: url.hostname,
      port: Number(url.port),
      database: url.pathname.slice(1),
      user: url.username,
      max: 30,
      ssl: false,
    })
    expect(Object.keys(pool.options)).not.toContain('password')
    const { password } = pool.options
    expect(password).toBe(decodeURIComponent(url.password))
    const client = new pg.Client(pool.options)
    await client.connect()
    await client.end()
  })

  it('follows a failover pool', async () => {
    const nodes = setting.cluster.nodes.map(({ name, url }) =>
      createPool({ driver: nodePostgres(), connection: url, name }),
    )
    const primary = withFailover(nodes)
    onTestFinished(() => primary.close({ timeoutMs: 0 }))
    const pool = createPgPool(withReplicas(primary, primary.topology))
    expect((await pool.query(READ)).rows).toHaveLength(1)
    expect(pool.options.port).toBe(setting.primary.port)
  })

  it('is over the databases and tenants of a manager', async () => {
    const manager = createManager({
      drivers: { pg: nodePostgres() },
      databases: { app: { nodes: setting.cluster.nodes.map(({ url }) => url) } },
      tenants: { resolve: () => ({ settings: { 'app.tenant': 't' } }) },
    })
    onTestFinished(() => manager.close({ timeoutMs: 0 }))
    const pool = createPgPool(manager.database('app'))
    await pool.query(WRITE, [3])
    expect((await pool.query(READ)).rows).toHaveLength(1)
    expect(pool.options.port).toBe(setting.primary.port)
    const ofTenant = createPgPool(manager.tenant('one'))
    const { rows } = await ofTenant.query(
      `select current_setting('app.tenant') as t, $1::int as n`,
      [1],
    )
    expect(rows).toEqual([{ t: 't', n: 1 }])
  })

  it('refuses a pool over another driver, and one over two', async () => {
    const one = createPool({ driver: postgresJs(), connection: setting.primary.url, name: 'js' })
    const two = createPool({ driver: nodePostgres(), connection: setting.primary.url })
    onTestFinished(async () => {
      await one.close()
      await two.close()
    })
    const refused = (): unknown => createPgPool(one)
    expect(refused).toThrow(ConfigError)
    expect(refused).toThrow('pool "js" is over the driver "postgres.js"')
    const mixed = withReplicas(two, [one])
    expect(() => createPgPool(mixed)).toThrow('made of pools over the drivers')
    await mixed.close()
  })
})
