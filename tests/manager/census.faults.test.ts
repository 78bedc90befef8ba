import { createPool } from '@poolhouse/core'
import { createManager, type Manager } from '@poolhouse/manager'
import { type Cluster, startCluster } from '@poolhouse/testkit'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { DRIVERS } from '../support/drivers.js'

let cluster: Cluster

beforeAll(async () => {
  // 27 for ordinary roles, of which the budget takes 24.
  cluster = await startCluster({ replicas: 0, settings: { max_connections: 30 } })
})

afterAll(async () => {
  await cluster?.stop()
})

const limitOf = (manager: Pick<Manager, 'stats'>): number | undefined =>
  Object.values(manager.stats().servers)[0]?.limit

describe.each(DRIVERS)('what a server allows, over $driver', ({ make }) => {
  const manage = (instances: number | 'discover') =>
    createManager({
      drivers: { only: make() },
      databases: {
        app: { primary: cluster.primary.url, pool: { max: 24, acquireTimeoutMs: 30_000 } },
      },
      budget: { instances },
    })

  it('F24: a budget that meets a full server leaves others what they have, and no call fails', async () => {
    await using others = createPool({
      driver: make(),
      connection: cluster.primary.url,
      max: 15,
    })
    await others.warm(15)
    await using manager = manage(1)
    const app = manager.database('app')
    await app.query('select 1')
    await expect.poll(() => limitOf(manager)).toBe(24)
    let isRunning = true
    const callers = Array.from({ length: 24 }, async () => {
      let answers = 0
      while (isRunning) answers += (await app.query('select pg_sleep(0.05)')).rows.length
      return answers
    })
    await expect.poll(() => limitOf(manager), { timeout: 30_000 }).toBeLessThanOrEqual(12)
    expect(limitOf(manager)).toBeGreaterThan(0)
    isRunning = false
    for (const answers of await Promise.all(callers)) expect(answers).toBeGreaterThan(0)
  }, 60_000)

  it('processes that discover each other by their application_name share what it allows', async () => {
    await using one = manage('discover')
    await one.database('app').query('select 1')
    await expect.poll(() => limitOf(one), { timeout: 10_000 }).toBe(24)
    {
      await using other = manage('discover')
      await other.database('app').query('select 1')
      await expect.poll(() => limitOf(other), { timeout: 10_000 }).toBe(12)
      await expect.poll(() => limitOf(one), { timeout: 20_000 }).toBe(12)
      const rows = await cluster.primary.sql<{ n: number }>(
        `select count(distinct application_name)::int as n from pg_stat_activity where application_name like 'poolhouse-instance %'`,
      )
      expect(rows[0]?.n).toBe(2)
    }
    await expect.poll(() => limitOf(one), { timeout: 20_000 }).toBe(24)
  }, 60_000)
})
