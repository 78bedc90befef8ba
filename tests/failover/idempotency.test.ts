import {
  createMarkerTable,
  createPool,
  InDoubtError,
  type Pool,
  type Transaction,
} from '@poolhouse/core'
import { nodePostgres } from '@poolhouse/node-postgres'
import { type ClusterNode, startFaultProxy, startPgBouncer } from '@poolhouse/testkit'
import { describe, expect, it } from 'vitest'
import { DRIVERS, rejection, startProxiedCluster } from './proxied-cluster.js'

async function rows(node: ClusterNode): Promise<number[]> {
  const found = await node.sql<{ id: number }>('select id from rows order by id')
  return found.map(({ id }) => id)
}

const insert = (id: number) => (tx: Transaction) => tx.query('insert into rows values ($1)', [id])

describe.each(DRIVERS)('a transaction with a key, with %s', (_name, driver) => {
  it('S75, S76: is done once, whether its COMMIT or the answer to it is lost', async () => {
    await using setup = await startProxiedCluster({ replicas: 0 })
    const pool = setup.pool(driver())
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

  it('is done once when many call it at a time, and all get the same result', async () => {
    await using setup = await startProxiedCluster({ replicas: 0 })
    const pool = setup.pool(driver())
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
  it('is done exactly once through a failover that nobody planned, and no call is in doubt', async () => {
    await using setup = await startProxiedCluster({ replicas: 2, synchronous: true })
    const pool = setup.pool(nodePostgres())
    await createMarkerTable(pool)
    let stopped = false
    let calls = 0
    const failures: unknown[] = []
    const write = async (): Promise<void> => {
      while (!stopped) {
        const id = ++calls
        await pool
          .transaction(insert(id), { idempotencyKey: `write ${id}` })
          .catch((error: unknown) => failures.push(error))
      }
    }
    const writers = Array.from({ length: 6 }, write)
    await pause(500)
    await setup.node('a').kill()
    await setup.node('b').promote()
    await pause(1_000)
    stopped = true
    await Promise.all(writers)
    expect(failures).toEqual([])
    const stored = await rows(setup.node('b'))
    expect(stored).toEqual(Array.from({ length: calls }, (_, index) => index + 1))
  })

  it('says how to make its table, and works on a pool of one server', async () => {
    await using setup = await startProxiedCluster({ replicas: 0 })
    const pool: Pool = createPool({ driver: nodePostgres(), connection: setup.proxy.url() })
    try {
      const call = (): Promise<unknown> =>
        pool.transaction(insert(1), { idempotencyKey: 'k', timeoutMs: 5_000 })
      expect(await rejection(call())).toMatchObject({
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

  it('is done once through PgBouncer too, also after the answer to its COMMIT was lost', async () => {
    await using setup = await startProxiedCluster({ replicas: 0 })
    await using bouncer = await startPgBouncer({ target: setup.node('a').url, auth: 'trust' })
    await using proxy = await startFaultProxy(bouncer.url)
    const pool = createPool({
      driver: nodePostgres(),
      connection: proxy.url(),
      pooler: 'pgbouncer',
    })
    try {
      await createMarkerTable(pool)
      proxy.dropCommitAnswer()
      expect(await pool.transaction(insert(1), { idempotencyKey: 'k' })).toBeDefined()
      await pool.transaction(insert(2), { idempotencyKey: 'k' })
      expect(await rows(setup.node('a'))).toEqual([1])
    } finally {
      await pool.close()
    }
  }, 180_000)

  it('is in doubt by its deadline when no server is left to tell', async () => {
    await using setup = await startProxiedCluster({ replicas: 0 })
    const pool = setup.pool(nodePostgres(), { hold: { timeoutMs: 500 } })
    await createMarkerTable(pool)
    setup.proxy.onStatement((text) => {
      if (text === 'COMMIT') setup.proxy.refuse({ existing: 'reset' })
    })
    const heard: unknown[] = []
    pool.on('in-doubt', (event) => heard.push(event))
    const error = await rejection(pool.transaction(insert(1), { idempotencyKey: 'k' }))
    expect(error).toBeInstanceOf(InDoubtError)
    expect(heard).toMatchObject([{ node: 'a', error }])
  })
})

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
