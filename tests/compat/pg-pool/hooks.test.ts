import type pg from 'pg'
import { expect, test } from 'vitest'
import { failureOf } from '../../support/failure-of.js'
import { guardProcess } from '../../support/process-guards.js'
import { BOTH, called, describePgPools } from '../support/pg-pools.js'

guardProcess()

type Hooked = pg.PoolClient & { connects?: number; answer?: number }

describePgPools(BOTH, ({ make }) => {
  test('calls onConnect once for each new client, and waits for it', async () => {
    let calls = 0
    const pool = make({
      max: 2,
      onConnect: async (client) => {
        calls++
        const { rows } = await client.query('select 41 + 1 as answer')
        Object.assign(client, { answer: rows[0].answer })
      },
    })
    const first = (await pool.connect()) as Hooked
    const second = (await pool.connect()) as Hooked
    expect([first.answer, second.answer, calls, first === second]).toEqual([42, 42, 2, false])
    first.release()
    second.release()
    const third = (await pool.connect()) as Hooked
    expect([third.answer, calls]).toEqual([42, 2])
    third.release()
  })

  test('calls onConnect before the first query of the pool', async () => {
    const pool = make({
      onConnect: async (client) => {
        await client.query(`set application_name to 'hooked'`)
      },
    })
    const { rows } = await pool.query(`select current_setting('application_name') as name`)
    expect(rows).toEqual([{ name: 'hooked' }])
  })

  test('sets again what onConnect has set, when a borrower has changed it', async () => {
    const pool = make({
      max: 1,
      onConnect: async (client) => {
        await client.query(`set search_path to pg_catalog; set timezone to 'Asia/Tokyo'`)
      },
    })
    const client = await pool.connect()
    await client.query('listen x')
    client.release()
    const read = `select current_setting('search_path') || ' ' || current_setting('timezone') as all`
    expect((await pool.query(read)).rows).toEqual([{ all: 'pg_catalog Asia/Tokyo' }])
    expect((await pool.query(read)).rows).toEqual([{ all: 'pg_catalog Asia/Tokyo' }])
  })

  test('rejects with what onConnect rejects with or throws, keeps no client, and goes on', async () => {
    let turn = 0
    const pool = make({
      max: 2,
      onConnect: (client) => {
        turn++
        if (turn === 1) throw new Error('thrown')
        if (turn === 2) return client.query('select no_such_column') as never
        if (turn < 5) return Promise.reject(new Error('rejected')) as never
        return undefined
      },
    })
    const messages: string[] = []
    for (let call = 0; call < 4; call++) messages.push((await failureOf(pool.connect())).message)
    expect(messages).toEqual([
      'thrown',
      'column "no_such_column" does not exist',
      'rejected',
      'rejected',
    ])
    const client = await pool.connect()
    expect((await client.query('select 1 as n')).rows).toEqual([{ n: 1 }])
    client.release()
    expect(turn).toBe(5)
  })

  test('lends a new client only if verify finds nothing against it', async () => {
    let fails = true
    const pool = make({
      max: 1,
      verify: (client, done) => {
        client.query('select 1').then(
          () => done(fails ? new Error('nope') : undefined),
          (error: Error) => done(error),
        )
      },
    })
    const [error, client] = await called<[Error, unknown]>((callback) =>
      pool.connect(callback as never),
    )
    expect([error.message, client]).toEqual(['nope', undefined])
    expect((await failureOf(pool.query('select 1'))).message).toBe('nope')
    fails = false
    expect((await pool.query('select 1 as n')).rows).toEqual([{ n: 1 }])
  })

  test('tells a log function what it does', async () => {
    const messages: unknown[] = []
    const pool = make({ log: (message) => messages.push(message) })
    await pool.query('select 1')
    expect(messages.length).toBeGreaterThan(0)
  })
})
