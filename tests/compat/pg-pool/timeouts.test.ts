import { createServer, type Server } from 'node:net'
import type pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { failureOf } from '../../support/failure-of.js'
import { guardProcess } from '../../support/process-guards.js'
import { ALL, BOTH, called, describePgPools } from '../support/pg-pools.js'

guardProcess()

// Accepts connections and never says a word.
let silent: Server
let silentPort: number
beforeAll(async () => {
  silent = createServer((socket) => socket.on('error', () => {}).resume())
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
  silentPort = (silent.address() as { port: number }).port
})
afterAll(() => silent.close())

const elsewhere = (port: number) => ({
  connectionString: undefined as never,
  host: '127.0.0.1',
  port,
  user: 'app',
  database: 'app',
})

describePgPools(BOTH, ({ make }) => {
  test('calls back with an error and no client when a connect takes too long', async () => {
    const pool = make({ ...elsewhere(silentPort), connectionTimeoutMillis: 50 })
    const [error, client, release] = await called<[Error, unknown, unknown]>((callback) =>
      pool.connect(callback as never),
    )
    expect(error.message).toContain('timeout')
    expect([client, typeof release, pool.idleCount]).toEqual([undefined, 'function', 0])
  })

  test('rejects each of several connects that take too long', async () => {
    const pool = make({ ...elsewhere(silentPort), connectionTimeoutMillis: 20 })
    for (let turn = 0; turn < 5; turn++) {
      expect((await failureOf(pool.connect())).message).toContain('timeout')
    }
    expect(pool.idleCount).toBe(0)
  })

  test('hands a refused connect to the callback, with the words of the network', async () => {
    const pool = make(elsewhere(1))
    const [error, result] = await called<[NodeJS.ErrnoException, unknown]>((callback) =>
      pool.query('select 1', callback as never),
    )
    expect([error.code, result, pool.totalCount]).toEqual(['ECONNREFUSED', undefined, 0])
  })

  test('rejects what waits when the server closes each connection at once', async () => {
    const rude = createServer((socket) => socket.destroy())
    await new Promise<void>((resolve) => rude.listen(0, '127.0.0.1', resolve))
    const pool = make({ ...elsewhere((rude.address() as { port: number }).port), max: 1 })
    const outcomes = await Promise.allSettled([pool.connect(), pool.connect()])
    rude.close()
    expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
  })
})

describePgPools(ALL, ({ make, kind }) => {
  // A lazy client that runs nothing keeps nothing from others.
  const hold = async (pool: pg.Pool): Promise<pg.PoolClient> => {
    const client = await pool.connect()
    if (kind === 'createPgPool, lazy') await client.query('begin')
    return client
  }
  const ask = (pool: pg.Pool): Promise<unknown> =>
    kind === 'createPgPool, lazy' ? pool.query('select 1') : pool.connect()

  test('gives up waiting for a client after connectionTimeoutMillis', async () => {
    const pool = make({ connectionTimeoutMillis: 600, max: 1 })
    const client = await hold(pool)
    expect((await failureOf(ask(pool))).message).toContain(
      'timeout exceeded when trying to connect',
    )
    client.release()
  })

  test('serves later callers after one has given up', async () => {
    const pool = make({ connectionTimeoutMillis: 1_000, max: 1 })
    const client = await hold(pool)
    const first = failureOf(ask(pool)).then(() => client.release())
    await new Promise((resolve) => setTimeout(resolve, 500))
    const second = pool.connect()
    await first
    ;(await second).release()
  })

  test('gives up a query when all clients are out, and works again after', async () => {
    const pool = make({ connectionTimeoutMillis: 600, max: 1 })
    const client = await hold(pool)
    const [error, result] = await called<[Error, unknown]>((callback) =>
      pool.query('select 1', callback as never),
    )
    expect([error.message, result]).toEqual(['timeout exceeded when trying to connect', undefined])
    client.release()
    expect((await pool.query('select $1::text as name', ['x'])).rows).toEqual([{ name: 'x' }])
  })
})
