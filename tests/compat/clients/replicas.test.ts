import { nodePostgres } from '@poolhouse/node-postgres'
import { type CreatePgPoolOptions, createPgPool } from '@poolhouse/node-postgres/compat'
import { runWith } from '@poolhouse/read-replicas'
import type pg from 'pg'
import Cursor from 'pg-cursor'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import {
  type ReplicaCluster,
  startReplicaCluster,
  untilFitting,
} from '../../read-replicas/replica-cluster.js'
import { guardProcess } from '../../support/process-guards.js'

guardProcess()
let setting: ReplicaCluster
beforeAll(async () => {
  setting = await startReplicaCluster()
})
afterAll(() => setting?.[Symbol.asyncDispose]())

const WHERE = 'select pg_is_in_recovery() as standby'
const COUNT = 'select count(*)::int as n from notes'

async function open(options: CreatePgPoolOptions): Promise<pg.Pool> {
  const { db } = setting.connect(nodePostgres(), { classify: 'conservative' })
  const pool = createPgPool(db, options)
  onTestFinished(() => db.close({ timeoutMs: 0 }))
  await untilFitting(db, ['b', 'c'])
  return pool
}

const isStandby = async (client: pg.PoolClient | pg.Pool): Promise<boolean> =>
  (await client.query(WHERE)).rows[0].standby

describe('a client of a facade over a pool with replicas', () => {
  test('is on the primary from the start if it is eager', async () => {
    const pool = await open({ checkout: 'eager' })
    const client = await pool.connect()
    await client.query('begin read only')
    expect(await isStandby(client)).toBe(false)
    await client.query('rollback')
    client.release()
  })

  test('reads on replicas and writes on the primary, statement by statement, if it is lazy', async () => {
    const pool = await open({ checkout: 'lazy' })
    const client = await pool.connect()
    const nodes: (string | undefined)[] = []
    const nodeOf = async (asked: Promise<pg.QueryResult>): Promise<void> => {
      nodes.push(((await asked) as { node?: string }).node)
    }
    await nodeOf(client.query(COUNT))
    await nodeOf(client.query('insert into notes values (1)'))
    expect([['b', 'c'].includes(nodes[0]!), nodes[1]]).toEqual([true, 'a'])
    client.release()
  })

  test('runs nothing more on a replica that a setting of a read-only transaction would keep it on', async () => {
    const pool = await open({ checkout: 'lazy' })
    const client = await pool.connect()
    await client.query('begin read only')
    await client.query("set statement_timeout = '5s'")
    expect(await isStandby(client)).toBe(true)
    await client.query('commit')
    await expect(client.query(COUNT)).rejects.toThrow(/SET LOCAL, release the client/)
    client.release()
    const next = await pool.connect()
    expect((await next.query('show statement_timeout')).rows).not.toEqual([
      { statement_timeout: '5s' },
    ])
    next.release()
  })

  test('reads what it has written, in and after a transaction', async () => {
    const pool = await open({ checkout: 'lazy' })
    const client = await pool.connect()
    for (let round = 0; round < 10; round++) {
      const before = (await client.query(COUNT)).rows[0].n
      await client.query('begin')
      await client.query('insert into notes values (2)')
      expect((await client.query(COUNT)).rows).toEqual([{ n: before + 1 }])
      await client.query('commit')
      expect((await client.query(COUNT)).rows).toEqual([{ n: before + 1 }])
      await client.query('insert into notes values (3); insert into notes values (4)')
      expect((await client.query(COUNT)).rows).toEqual([{ n: before + 3 }])
    }
    client.release()
  })

  test('begins a transaction that only reads on a replica, and any other on the primary', async () => {
    const pool = await open({ checkout: 'lazy' })
    const client = await pool.connect()
    const seen: unknown[] = []
    for (const begin of [
      'begin read only',
      'start transaction isolation level repeatable read, read only',
      'begin',
      'begin isolation level serializable read only',
    ]) {
      await client.query(begin)
      const { processID } = client as unknown as { processID: number | null }
      seen.push([await isStandby(client), processID !== null])
      await client.query('commit')
    }
    client.release()
    expect(seen).toEqual([
      [true, false],
      [true, false],
      [false, true],
      [false, true],
    ])
  })

  test("keeps to the primary with reads: 'primary'", async () => {
    const pool = await open({ checkout: 'lazy', reads: 'primary' })
    const client = await pool.connect()
    const seen = [await isStandby(client)]
    await client.query('begin read only')
    seen.push(await isStandby(client))
    await client.query('rollback')
    expect([...seen, await isStandby(pool)]).toEqual([false, false, false])
    client.release()
  })

  test('goes where the call around it says, with a cursor too, and names no process there', async () => {
    const pool = await open({ checkout: 'lazy' })
    const client = await pool.connect()
    await runWith({ intent: 'read' }, async () => {
      const cursor = client.query(new Cursor(WHERE))
      // Behind the cursor, and in the same context.
      const behind = client.query('begin')
      expect(await cursor.read(1)).toEqual([{ standby: true }])
      await cursor.close()
      await behind
      expect((client as unknown as { processID: number | null }).processID).toBe(null)
      await client.query('commit')
    })
    const cursor = client.query(new Cursor(WHERE))
    expect(await cursor.read(1)).toEqual([{ standby: false }])
    await cursor.close()
    client.release()
  })

  test('is pinned to the primary by what changes its session', async () => {
    const pool = await open({ checkout: 'lazy' })
    const client = await pool.connect()
    await client.query(`set work_mem = '1MB'`)
    expect(await isStandby(client)).toBe(false)
    expect((await client.query('show work_mem')).rows).toEqual([{ work_mem: '1MB' }])
    client.release()
  })
})
