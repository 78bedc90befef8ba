import pg from 'pg'
import { expect, test } from 'vitest'
import { failureOf } from '../../support/failure-of.js'
import { guardProcess } from '../../support/process-guards.js'
import { ALL, BOTH, describePgPools, emitted } from '../support/pg-pools.js'

guardProcess()

describePgPools(ALL, ({ make, server, kind }) => {
  test('goes on after queries that fail', async () => {
    const pool = make({ max: 1 })
    for (let turn = 0; turn < 5; turn++) {
      const error = await failureOf<pg.DatabaseError>(pool.query('select no_such_column'))
      expect(error).toBeInstanceOf(pg.DatabaseError)
      expect([error.code, error.severity, error.name]).toEqual(['42703', 'ERROR', 'error'])
    }
    expect((await pool.query('select $1::text as name', ['x'])).rows).toEqual([{ name: 'x' }])
  })

  test('goes on after many queries that fail at a time', async () => {
    const pool = make()
    const asks = Array.from({ length: 20 }, () => failureOf(pool.query(`select 'x' + 1`)))
    expect((await Promise.all(asks)).length).toBe(20)
    expect((await pool.query('select 1 as n')).rows).toEqual([{ n: 1 }])
  })

  test('tells a client what the server says of its queries', async () => {
    const pool = make()
    const client = await pool.connect()
    const error = await failureOf<pg.DatabaseError>(client.query('select no_such_column'))
    const several = await failureOf<pg.DatabaseError>(
      client.query('select 1; select no_such_column'),
    )
    expect([error, several].map(({ code, name }) => [code, name])).toEqual([
      ['42703', 'error'],
      ['42703', 'error'],
    ])
    expect([error, several].every((one) => one instanceof pg.DatabaseError)).toBe(true)
    expect((await client.query('select 1 as n')).rows).toEqual([{ n: 1 }])
    client.release()
  })

  test('throws at each release after the first', async () => {
    const pool = make()
    const client = await pool.connect()
    client.release()
    expect(() => client.release()).toThrow('already been released to the pool')
    expect(() => client.release()).toThrow('already been released to the pool')
  })

  test('destroys a client that is released with an error', async () => {
    const pool = make({ max: 1 })
    const client = await pool.connect()
    const { rows } = await client
      .query('begin; select pg_backend_pid() as pid')
      .then((results) => (results as unknown as pg.QueryResult[])[1]!)
    client.release(new Error('no good'))
    const { rows: after } = await pool.query('select pg_backend_pid() as pid')
    expect(after[0].pid).not.toBe(rows[0].pid)
  })

  test('emits error on a client whose session ends while it is out, and replaces it', async () => {
    const pool = make({ max: 1 })
    const client = await pool.connect()
    const failed = emitted(client, 'error')
    // `pg` emits a second one, when the socket closes.
    client.on('error', () => {})
    await client.query('begin')
    const { rows } = await client.query('select pg_backend_pid() as pid')
    await server.sql('select pg_terminate_backend($1)', [rows[0].pid])
    const [error] = (await failed) as [Error]
    expect(error).toBeInstanceOf(Error)
    await expect(client.query('select 1')).rejects.toThrow()
    client.release(true)
    expect((await pool.query('select 1 as n')).rows).toEqual([{ n: 1 }])
  })

  test('fails the query during which the session ends', async () => {
    const pool = make({ max: 1 })
    const client = await pool.connect()
    client.on('error', () => {})
    await client.query('begin')
    const { rows } = await client.query('select pg_backend_pid() as pid')
    const ended = emitted(client, 'end')
    const sleeping = failureOf(client.query('select pg_sleep(30)'))
    await server.sql('select pg_terminate_backend($1)', [rows[0].pid])
    expect(await sleeping).toBeInstanceOf(Error)
    // Before that `pg` would hand the client on.
    await ended
    client.release()
    expect((await pool.query('select 1 as n')).rows).toEqual([{ n: 1 }])
  })

  if (kind !== 'createPgPool, lazy') {
    test('emits error for an idle client whose session ends, with the client, and removes it', async () => {
      const pool = make({ max: 1 })
      const client = await pool.connect()
      client.on('error', () => {})
      Object.assign(client, { noted: 'x' })
      const { rows } = await client.query('select pg_backend_pid() as pid')
      client.release()
      const failed = emitted(pool, 'error')
      await server.sql('select pg_terminate_backend($1)', [rows[0].pid])
      const [error, ofClient] = (await failed) as [Error & { client: unknown }, unknown]
      expect(error).toBeInstanceOf(Error)
      expect([ofClient, error.client]).toEqual([client, client])
      expect(ofClient).toMatchObject({ noted: 'x' })
      expect([pool.idleCount, pool.totalCount]).toEqual([0, 0])
    })
  }

  test('does not hand on a client that its borrower has ended', async () => {
    const pool = make({ max: 1 })
    const client = await pool.connect()
    await client.query('select 1')
    await client.end()
    expect(client).toMatchObject({ _ending: true })
    await expect(client.query('select 1')).rejects.toThrow('not queryable')
    client.release()
    expect((await pool.query('select 1 as n')).rows).toEqual([{ n: 1 }])
  })
})

describePgPools(BOTH, ({ make }) => {
  test('counts the clients that are out, idle and waited for', async () => {
    const pool = make({ max: 1 })
    const client = await pool.connect()
    const next = pool.connect()
    expect([pool.totalCount, pool.idleCount, pool.waitingCount]).toEqual([1, 0, 1])
    client.release()
    ;(await next).release()
    expect([pool.totalCount, pool.idleCount, pool.waitingCount]).toEqual([1, 1, 0])
    expect(pool.expiredCount).toBe(0)
  })
})
