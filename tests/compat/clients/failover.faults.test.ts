import { createPool } from '@poolhouse/core'
import { withFailover } from '@poolhouse/failover'
import { nodePostgres } from '@poolhouse/node-postgres'
import { createPgPool } from '@poolhouse/node-postgres/compat'
import { withReplicas } from '@poolhouse/read-replicas'
import { type ClusterNode, startCluster } from '@poolhouse/testkit'
import type pg from 'pg'
import { expect, onTestFinished, test } from 'vitest'
import { failureOf } from '../../support/failure-of.js'
import { guardProcess } from '../../support/process-guards.js'
import { until } from '../../support/until.js'

guardProcess()

/** A facade over a cluster of two that follows its primary and reads on its replica. */
async function open(
  checkout: 'eager' | 'lazy',
): Promise<{ pool: pg.Pool; a: ClusterNode; b: ClusterNode }> {
  const cluster = await startCluster({ replicas: 1, auth: 'scram-sha-256' })
  onTestFinished(() => cluster.stop())
  const driver = nodePostgres()
  const pools = cluster.nodes.map(({ name, url }) => createPool({ driver, connection: url, name }))
  const primary = withFailover(pools, { probe: { intervalMs: 250 } })
  const db = withReplicas(primary, primary.topology, { classify: 'conservative' })
  onTestFinished(() => db.close({ timeoutMs: 0 }))
  await db.ready()
  const [a, b] = cluster.nodes as [ClusterNode, ClusterNode]
  await a.sql('create table kept (n int not null)')
  await a.sql('grant all on kept to public')
  return { pool: createPgPool(db, { checkout }), a, b }
}

test.each(['eager', 'lazy'] as const)(
  'F01: a listening client breaks loudly when its primary fails, and can listen again, %s',
  async (checkout) => {
    const { pool, a, b } = await open(checkout)
    const heard: unknown[] = []
    const listen = async (): Promise<pg.PoolClient> => {
      const client = await pool.connect()
      client.on('notification', ({ payload }) => heard.push(payload))
      client.on('error', () => heard.push('error'))
      client.on('end', () => heard.push('end'))
      await client.query('listen jobs')
      return client
    }
    const first = await listen()
    await pool.query(`select pg_notify('jobs', 'before')`)
    await until(() => heard.length === 1)
    await a.kill()
    await until(() => heard.length === 3)
    first.removeAllListeners()
    first.release(true)
    await b.promote()
    const second = await listen()
    await pool.query(`select pg_notify('jobs', 'after')`)
    await until(() => heard.length === 4)
    expect(heard).toEqual(['before', 'error', 'end', 'after'])
    second.removeAllListeners()
    second.release()
  },
)

test.each(['eager', 'lazy'] as const)(
  'F01: a transaction ends with its primary, and is never continued on the next one, %s',
  async (checkout) => {
    const { pool, a, b } = await open(checkout)
    const client = await pool.connect()
    await client.query('begin')
    await client.query('insert into kept values (1)')
    await a.kill()
    await b.promote()
    await failureOf(client.query('insert into kept values (2)'))
    await failureOf(client.query('commit'))
    client.release()
    const next = await pool.connect()
    expect((await next.query('insert into kept values (3)')).rowCount).toBe(1)
    expect((await next.query('select n from kept')).rows).toEqual([{ n: 3 }])
    next.release()
  },
)

test('F01: a lazy client that nothing pins goes on through a failover', async () => {
  const { pool, a, b } = await open('lazy')
  const client = await pool.connect()
  await client.query('insert into kept values (1)')
  expect((await client.query('select n from kept')).rows).toEqual([{ n: 1 }])
  await until(async () => (await b.sql('select from kept')).length === 1)
  await a.kill()
  const written = client.query('insert into kept values (2)')
  await b.promote()
  expect((await written).rowCount).toBe(1)
  expect((await client.query('select n from kept order by n')).rows).toEqual([{ n: 1 }, { n: 2 }])
  client.release()
})
