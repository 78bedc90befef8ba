import { setTimeout as pause } from 'node:timers/promises'
import { createMarkerTable, createPool, type Transaction } from '@poolhouse/core'
import { type ClusterNode, startFaultProxy, startPgBouncer } from '@poolhouse/testkit'
import { describe, expect } from 'vitest'
import { scenario } from '../../support/scenario.js'
import { until } from '../../support/until.js'
import { startProxiedCluster } from '../support/proxied-cluster.js'

async function rows(node: ClusterNode): Promise<number[]> {
  const found = await node.sql<{ id: number }>('select id from rows order by id')
  return found.map(({ id }) => id)
}

const insert = (id: number) => (tx: Transaction) => tx.query('insert into rows values ($1)', [id])

describe('a transaction with a key', () => {
  scenario(
    'is done exactly once through an unplanned failover, and no call is in doubt',
    async ({ make }) => {
      await using setup = await startProxiedCluster({ replicas: 2, synchronous: true })
      const pool = setup.pool(make())
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
    },
  )

  scenario(
    'T102: leaves a former attempt alone that waits for its synchronous standby, and waits with it',
    async ({ make }) => {
      await using setup = await startProxiedCluster({ replicas: 1, synchronous: true })
      const pool = setup.pool(make())
      await createMarkerTable(pool)
      const node = setup.node('a')
      const waiting = (): Promise<unknown[]> =>
        node.sql("select pid from pg_stat_activity where wait_event = 'SyncRep'")
      const waitingForTheKey = (): Promise<unknown[]> =>
        node.sql(`select pid from pg_stat_activity
          where wait_event_type = 'Lock' and query like 'insert into poolhouse_marker%'`)
      await setup.node('b').stop('fast')
      const call = pool.transaction(insert(1), { idempotencyKey: 'k', timeoutMs: 30_000 })
      await until(async () => (await waiting()).length === 1, 'the wait for the standby')
      const former = await waiting()
      setup.proxy.reset()
      await until(async () => (await waitingForTheKey()).length === 1, 'the wait for the key')
      expect(await waiting()).toEqual(former)
      await setup.node('b').start()
      await call
      expect(await rows(node)).toEqual([1])
      expect(await rows(setup.node('b'))).toEqual([1])
    },
  )

  scenario(
    'is done once through PgBouncer too, even after the answer to its COMMIT was lost',
    async ({ make }) => {
      await using setup = await startProxiedCluster({ replicas: 0 })
      await using bouncer = await startPgBouncer({ target: setup.node('a').url, auth: 'trust' })
      await using proxy = await startFaultProxy(bouncer.url)
      const pool = createPool({
        driver: make(),
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
    },
    180_000,
  )
})
