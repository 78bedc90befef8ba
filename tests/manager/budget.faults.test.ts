import { setTimeout as sleep } from 'node:timers/promises'
import { createPool } from '@poolhouse/core'
import { createManager } from '@poolhouse/manager'
import { type Cluster, startCluster } from '@poolhouse/testkit'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { DRIVERS } from '../support/drivers.js'

let cluster: Cluster

beforeAll(async () => {
  cluster = await startCluster({ replicas: 0 })
})

afterAll(async () => {
  await cluster?.stop()
})

describe.each(DRIVERS)('the budget of a server over $driver', ({ make }) => {
  it('S84: 500 tenants with 3 requests each on a budget of 50 never have more than 50 sessions, and all complete', async () => {
    const driver = make()
    await using manager = createManager({
      drivers: { only: driver },
      // Opening 500 sessions takes a busy machine more than the 10 s that a call waits by default.
      databases: { app: { primary: cluster.primary.url, pool: { acquireTimeoutMs: 90_000 } } },
      budget: { perServer: 50 },
      tenants: { resolve: () => ({ schema: 'public' }) },
    })
    await using monitor = createPool({ driver, connection: cluster.primary.url, max: 1 })
    let most = 0
    let isRunning = true
    const watch = (async () => {
      while (isRunning) {
        const { rows } = await monitor.query<{ n: number }>(
          `select count(*)::int as n from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid()`,
        )
        most = Math.max(most, rows[0]!.n)
      }
    })()
    const answers = await Promise.all(
      Array.from({ length: 500 }, async (_, tenant) => {
        const pool = manager.tenant(`tenant ${tenant}`)
        let rows = 0
        for (let request = 0; request < 3; request++)
          rows += (await pool.query('select 1')).rows.length
        return rows
      }),
    )
    isRunning = false
    await watch
    expect(answers).toEqual(Array.from({ length: 500 }, () => 3))
    expect(most).toBeGreaterThan(0)
    expect(most).toBeLessThanOrEqual(50)
    const [server] = Object.values(manager.stats().servers)
    expect(server).toMatchObject({ limit: 50, waiting: 0 })
    // A tenant that asks again at once keeps its connection: one connect for each tenant, not one
    // for each request.
    let created = 0
    for (let first = 0; first < 500; first += 100) {
      const ids = Array.from({ length: 100 }, (_, index) => `tenant ${first + index}`)
      for (const stats of Object.values(manager.stats({ tenants: ids }).tenants))
        created += stats.counters.created
    }
    expect(created).toBe(500)
  }, 120_000)

  it('F62, S86: a tenant beside one with thousands of queued calls keeps its connection, and its calls wait for none of them', async () => {
    await using manager = createManager({
      drivers: { only: make() },
      databases: {
        app: {
          primary: cluster.primary.url,
          pool: { acquireTimeoutMs: 60_000 },
        },
      },
      budget: { perServer: 4 },
      tenants: {
        resolve: () => ({ schema: 'public' }),
        limits: { max: 4, maxPending: 20_000 },
      },
    })
    const quiet = manager.tenant('quiet')
    const noisy = manager.tenant('noisy')
    await quiet.query('select 1')
    let answered = 0
    const noise = Array.from({ length: 4_000 }, async () => {
      await noisy.query('select pg_sleep(0.002)')
      answered++
    })
    const overtaken: number[] = []
    for (let call = 0; call < 100; call++) {
      const before = answered
      await quiet.query('select 1')
      overtaken.push(answered - before)
      await sleep(4)
    }
    // The noise went on all the time, on the three other connections. In one pool a call would have
    // waited for all of it.
    expect(answered).toBeGreaterThan(0)
    expect(answered).toBeLessThan(4_000)
    expect(noisy.stats().total).toBe(3)
    expect(quiet.stats().counters.created).toBe(1)
    expect(Math.max(...overtaken)).toBeLessThan(100)
    await Promise.all(noise)
  }, 120_000)
})
