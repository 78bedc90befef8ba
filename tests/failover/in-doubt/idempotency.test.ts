import {
  createMarkerTable,
  createPool,
  InDoubtError,
  type Pool,
  type Transaction,
} from '@poolhouse/core'
import type { ClusterNode } from '@poolhouse/testkit'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { DRIVERS, PG } from '../../support/drivers.js'
import { failureOf } from '../../support/failure-of.js'
import { type ProxiedCluster, startProxiedCluster } from '../support/proxied-cluster.js'

let setup: ProxiedCluster

beforeAll(async () => {
  setup = await startProxiedCluster({ replicas: 0 })
})
beforeEach(async () => {
  await setup.proxy.heal()
  await setup.node('a').sql('truncate rows; drop table if exists poolhouse_marker')
})
afterAll(() => setup[Symbol.asyncDispose]())

async function rows(node: ClusterNode): Promise<number[]> {
  const found = await node.sql<{ id: number }>('select id from rows order by id')
  return found.map(({ id }) => id)
}

const insert = (id: number) => (tx: Transaction) => tx.query('insert into rows values ($1)', [id])

describe.each(DRIVERS)('a transaction with a key, over $driver', ({ make }) => {
  it('S75, S76: is done once, whether its COMMIT or the answer to it is lost', async () => {
    const pool = setup.pool(make())
    await createMarkerTable(pool)
    const losses = [
      () => setup.proxy.dropCommitAnswer(),
      () => setup.proxy.dropCommitRequest(),
      // The server does not notice and holds the key, until the next attempt ends its process.
      () => setup.proxy.dropCommitRequest({ then: 'hang' }),
    ]
    for (const [id, lose] of losses.entries()) {
      lose()
      const result = { id, at: new Date() }
      const done = await pool.transaction(
        async (tx) => {
          await insert(id)(tx)
          return result
        },
        { idempotencyKey: `order ${id}` },
      )
      expect(done).toBe(result)
    }
    expect(await rows(setup.node('a'))).toEqual([0, 1, 2])
  })

  it('T95: of an array is done once although its COMMIT or the answer to it is lost, and its results are kept', async () => {
    const pool = setup.pool(make())
    await createMarkerTable(pool)
    const array = [
      { text: 'insert into rows values ($1)', values: [1] },
      'select count(*)::int as n from rows',
    ]
    const options = { idempotencyKey: 'array' }
    setup.proxy.dropCommitRequest()
    const first = await pool.transaction(array, options)
    expect(first).toMatchObject([{ rowCount: 1 }, { rows: [{ n: 1 }] }])
    expect(await pool.transaction(array, options)).toMatchObject(first)
    setup.proxy.dropCommitAnswer()
    const other = { text: 'insert into rows values ($1)', values: [2] }
    await pool.transaction([other], { idempotencyKey: 'other' })
    expect(await rows(setup.node('a'))).toEqual([1, 2])
  })

  it('is done once when many callers run it at a time, and all get the same result', async () => {
    const pool = setup.pool(make())
    await createMarkerTable(pool)
    const calls = Array.from({ length: 8 }, (_, id) =>
      pool.transaction(
        async (tx) => {
          await insert(id)(tx)
          return { id }
        },
        { idempotencyKey: 'one', isolation: id % 2 === 0 ? 'serializable' : undefined },
      ),
    )
    const results = await Promise.all(calls)
    const [winner] = await rows(setup.node('a'))
    expect(results).toEqual(Array.from({ length: 8 }, () => ({ id: winner })))
    expect(await rows(setup.node('a'))).toHaveLength(1)
  })
})

describe('a transaction with a key', () => {
  it('says how to create its table, and works on a pool of one server', async () => {
    const pool: Pool = createPool({ driver: PG.make(), connection: setup.proxy.url() })
    try {
      const call = (): Promise<unknown> =>
        pool.transaction(insert(1), { idempotencyKey: 'k', timeoutMs: 5_000 })
      expect(await failureOf(call())).toMatchObject({
        name: 'TransactionError',
        message: expect.stringContaining('createMarkerTable(pool)'),
        cause: { code: '42P01' },
      })
      await Promise.all([createMarkerTable(pool), createMarkerTable(pool)])
      setup.proxy.dropCommitAnswer({ count: 2 })
      await call()
      await call()
      expect(await rows(setup.node('a'))).toEqual([1])
    } finally {
      await pool.close()
    }
  })

  it('is in doubt at its deadline when no server is left to ask', async () => {
    const pool = setup.pool(PG.make(), { hold: { timeoutMs: 500 } })
    await createMarkerTable(pool)
    setup.proxy.onStatement((text) => {
      if (text === 'COMMIT') setup.proxy.refuse({ existing: 'reset' })
    })
    const heard: unknown[] = []
    pool.on('in-doubt', (event) => heard.push(event))
    const error = await failureOf(pool.transaction(insert(1), { idempotencyKey: 'k' }))
    expect(error).toBeInstanceOf(InDoubtError)
    expect(heard).toMatchObject([{ node: 'a', error }])
  })
})
