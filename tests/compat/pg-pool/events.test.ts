import type pg from 'pg'
import { expect, test } from 'vitest'
import { failureOf } from '../../support/failure-of.js'
import { guardProcess } from '../../support/process-guards.js'
import { until } from '../../support/until.js'
import { ALL, BOTH, describePgPools, emitted } from '../support/pg-pools.js'

guardProcess()

describePgPools(ALL, ({ make }) => {
  test('emits connect and acquire, in this order, before the client is handed out', async () => {
    const pool = make()
    const seen: unknown[] = []
    pool.on('connect', (client) => seen.push('connect', client))
    pool.on('acquire', (client) => seen.push('acquire', client))
    const client = await pool.connect()
    expect(seen).toEqual(['connect', client, 'acquire', client])
    client.release()
  })

  test('emits release without an error, or with the one that the client is released with', async () => {
    const pool = make({ max: 1 })
    const seen: unknown[] = []
    pool.on('release', (error, client) => seen.push(error, client))
    const first = await pool.connect()
    first.release()
    const second = await pool.connect()
    const problem = new Error('problem')
    second.release(problem)
    expect(seen).toEqual([undefined, first, problem, second])
  })
})

describePgPools(BOTH, ({ make, server }) => {
  test('emits connect once for each connection', async () => {
    const pool = make({ max: 1 })
    let connects = 0
    pool.on('connect', () => connects++)
    for (let turn = 0; turn < 3; turn++) (await pool.connect()).release()
    await pool.query('select 1')
    expect(connects).toBe(1)
  })

  test('emits no connect for a connection that could not be opened', async () => {
    const pool = make({ connectionString: 'postgres://app@127.0.0.1:1/app' })
    let connects = 0
    pool.on('connect', () => connects++)
    await failureOf(pool.connect())
    expect(connects).toBe(0)
  })

  test('emits acquire and release for each client and each query', async () => {
    const pool = make()
    const counts = { acquire: 0, release: 0 }
    pool.on('acquire', (client) => {
      if (client !== undefined) counts.acquire++
    })
    pool.on('release', (error, client) => {
      if (!(error instanceof Error) && client !== undefined) counts.release++
    })
    const work = Array.from({ length: 10 }, async (_, turn) => {
      if (turn % 2 === 0) (await pool.connect()).release()
      else await pool.query('select 1')
    })
    await Promise.all(work)
    expect(counts).toEqual({ acquire: 10, release: 10 })
  })

  test('emits remove with the client when a connection is gone', async () => {
    const pool = make({ max: 1 })
    const client = await pool.connect()
    const removed = emitted(pool, 'remove')
    client.release(true)
    expect(await removed).toEqual([client])
    expect([pool.totalCount, pool.idleCount]).toEqual([0, 0])
  })

  test('keeps what a listener of connect sets in the session, whatever its borrowers set', async () => {
    const pool = make({ max: 1 })
    pool.on('connect', (client: pg.PoolClient) => {
      client.query(`set search_path to pg_catalog`)
      client.query(`set timezone to 'Asia/Tokyo'`).catch(() => undefined)
    })
    const read = `select current_setting('search_path') as path, current_setting('timezone') as zone`
    const seen: unknown[] = []
    for (let turn = 0; turn < 3; turn++) {
      const client = await pool.connect()
      seen.push(...(await client.query(read)).rows)
      await client.query('listen a_channel')
      client.release()
      seen.push(...(await pool.query(read)).rows)
    }
    expect(seen).toEqual(seen.map(() => ({ path: 'pg_catalog', zone: 'Asia/Tokyo' })))
  })

  test('emits error and remove for an idle client that no listener has heard of', async () => {
    const pool = make({ max: 1 })
    const { rows } = await pool.query('select pg_backend_pid() as pid')
    const seen: string[] = []
    pool.on('error', () => seen.push('error'))
    pool.on('remove', () => seen.push('remove'))
    await server.sql('select pg_terminate_backend($1)', [rows[0].pid])
    await until(() => seen.length === 2)
    expect(seen).toEqual(['error', 'remove'])
  })
})
