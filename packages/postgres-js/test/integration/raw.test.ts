import { createPool } from '@poolhouse/core'
import { typeParsers } from '@poolhouse/core/types'
import { type Cluster, startCluster } from '@poolhouse/testkit'
import type { Sql } from 'postgres'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { postgresJs } from '../../src/index.js'
import {
  failure,
  openSession,
  type TestSession,
  terminate,
  untilRunning,
  untilSocketsTo,
} from '../open-session.js'

let cluster: Cluster

beforeAll(async () => {
  cluster = await startCluster({ replicas: 0 })
})

afterAll(async () => {
  await cluster?.stop()
})

const rawOf = (session: TestSession): Sql => session.connection.raw as Sql

describe('raw', () => {
  it('is the sql of postgres.js on the same session, and takes turns with statements of the pool', async () => {
    await using session = await openSession(cluster, cluster.primary)
    const sql = rawOf(session)
    const [pid] = await sql`select pg_backend_pid() as pid`
    expect(pid).toEqual({ pid: session.connection.info.backendPid })
    const all = await Promise.all([
      sql`select ${1}::int as n, pg_sleep(0.02)`.then((rows) => rows[0]!['n']),
      session.query<{ n: number }>('select $1::int as n', [2]).then(({ rows }) => rows[0]!.n),
      sql`select ${3}::int as n`.then((rows) => rows[0]!['n']),
      session.query<{ n: number }>('select 4 as n').then(({ rows }) => rows[0]!.n),
      sql.unsafe('select 5 as n; select 6 as n').then((results) => results.length),
    ])
    expect(all).toEqual([1, 2, 3, 4, 2])
    expect(session.connection.transactionStatus()).toBe('idle')
  })

  it('changes the transaction status of the connection', async () => {
    await using session = await openSession(cluster, cluster.primary)
    const sql = rawOf(session)
    const running = sql.unsafe('begin; select pg_sleep(0.1)').execute()
    await new Promise((resolve) => setImmediate(() => setImmediate(resolve)))
    expect(session.connection.transactionStatus()).toBe('unknown')
    await running
    expect(session.connection.transactionStatus()).toBe('active')
    expect(await failure(sql`select 1/0`)).toMatchObject({ code: '22012' })
    expect(session.connection.transactionStatus()).toBe('failed')
    await session.connection.reset('rollback')
    expect(session.connection.transactionStatus()).toBe('idle')
  })

  it('returns the same types as the pool, and serialises values as postgres.js does', async () => {
    const types = typeParsers({ int8: BigInt })
    await using session = await openSession(cluster, cluster.primary, { types })
    const sql = rawOf(session)
    const text = `select 1::int8 as b, array[1, null]::int8[] as bs, date '2024-02-29' as d, true as t, '{"a":1}'::jsonb as j`
    expect([...(await sql.unsafe(text))]).toEqual((await session.query(text)).rows)
    const when = new Date('2024-02-29T12:34:56.789Z')
    const [row] = await sql`
      select ${sql.json({ a: [1] })}::jsonb as json, ${[1, 2]}::int[] as list, 3 = any(${[3, 4]}) as found,
        ${sql.array(['x', 'y,z'])} as texts, ${when}::timestamptz as at, ${Buffer.from('é')}::bytea as bytes`
    expect(row).toEqual({
      json: { a: [1] },
      list: [1, 2],
      found: true,
      texts: ['x', 'y,z'],
      at: when,
      bytes: Buffer.from('é'),
    })
  })

  it('streams, copies and counts between statements of the pool', async () => {
    await using session = await openSession(cluster, cluster.primary)
    const sql = rawOf(session)
    await session.query('create temp table t (n int)')
    const writable = await sql`copy t from stdin`.writable()
    await new Promise<void>((resolve, reject) => {
      writable.on('error', reject).on('finish', resolve).end('1\n2\n3\n')
    })
    const batches: number[] = []
    for await (const rows of sql`select n from t order by n`.cursor(2)) batches.push(rows.length)
    expect(batches).toEqual([2, 1])
    expect((await session.query('select count(*)::int as n from t')).rows).toEqual([{ n: 3 }])
    expect(session.connection.transactionStatus()).toBe('idle')
  })

  it('cancels its own queries through the session', async () => {
    await using session = await openSession(cluster, cluster.primary)
    const sleep = 'select pg_sleep(60) as raw'
    const query = rawOf(session).unsafe(sleep)
    const cancelled = failure(query)
    await untilRunning(cluster, session, sleep)
    query.cancel()
    expect(await cancelled).toMatchObject({ code: '57014' })
    expect((await session.query('select 1 as n')).rows).toEqual([{ n: 1 }])
    await untilSocketsTo(cluster.primary.port, 1)
  })

  it('rejects a query behind its own COPY instead of hanging', async () => {
    await using session = await openSession(cluster, cluster.primary)
    const sql = rawOf(session)
    await session.query('create temp table t (n int)')
    const writable = await sql`copy t from stdin`.writable()
    const refused = await failure(session.query('select 1'))
    expect(refused).toMatchObject({ name: 'PoolhouseError', executed: 'no' })
    expect(refused.message).toMatch(
      /^the statement was not sent: the raw client .* in the middle of a COPY/,
    )
    expect(session.connection.inFlight).toBe(0)
    await new Promise<void>((resolve) => writable.on('finish', resolve).end())
    expect((await session.query('select 1 as n')).rows).toEqual([{ n: 1 }])
  })

  it('rejects running, waiting and later queries when the session is lost', async () => {
    await using session = await openSession(cluster, cluster.primary)
    const sql = rawOf(session)
    const sleep = 'select pg_sleep(60)'
    const running = failure(sql.unsafe(sleep))
    // The first use of a statement with values is described first; later queries wait in a queue of
    // postgres.js.
    const described = failure(sql`select ${1}::int`)
    const queued = failure(sql`select ${2}::int`)
    await untilRunning(cluster, session, sleep)
    const ours = failure(session.query('select 1'))
    await terminate(cluster, session)
    await session.heard.over
    const errors = await Promise.all([running, described, queued, ours])
    expect(errors).toMatchObject([
      { message: expect.stringMatching(/^the session is over: terminating connection/) as string },
      { code: 'CONNECTION_CLOSED' },
      {},
      { name: 'ConnectionLostError', sqlState: '57P01' },
    ])
    expect(await failure(sql`select 1`)).toBeInstanceOf(Error)
    await untilSocketsTo(cluster.primary.port, 0)
  })
})

it('X15: a cancel of a query on raw never hits the next borrower', async () => {
  const pool = createPool({
    driver: postgresJs(),
    connection: cluster.primary.url,
    max: 1,
  })
  try {
    for (let round = 0; round < 60; round++) {
      const lease = await pool.acquire()
      const query = (lease.raw as Sql)`select pg_sleep(0.002)`
      const ended = query.catch(() => {})
      await pause(2)
      query.cancel()
      await ended
      lease.release()
      // Rejects if the cancel request reaches the server only now.
      await pool.query('select pg_sleep(0.003)')
    }
    expect(pool.stats().counters).toMatchObject({ created: 1, destroyed: 0 })
  } finally {
    await pool.close()
  }
})

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms)
  })
}
