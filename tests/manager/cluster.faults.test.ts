import type { Pool } from '@poolhouse/core'
import { createManager, type Manager } from '@poolhouse/manager'
import { type Cluster, startCluster } from '@poolhouse/testkit'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { DRIVERS } from '../support/drivers.js'

const TENANTS = 6
let cluster: Cluster
let managers: Manager[] = []

beforeAll(async () => {
  cluster = await startCluster({ replicas: 1, synchronous: false })
  for (let tenant = 0; tenant < TENANTS; tenant++) {
    await cluster.primary.sql(`create database tenant_${tenant} owner app`)
  }
})

afterEach(async () => {
  for (const manager of managers) await manager.close({ timeoutMs: 1_000 })
  managers = []
})

afterAll(async () => {
  await cluster?.stop()
})

/** Sessions on each server by what they are for. */
async function monitors(): Promise<number[]> {
  return await Promise.all(
    cluster.nodes.map(async (node) => {
      const rows = await node.sql(
        `select count(*)::int as n from pg_stat_activity where application_name = 'poolhouse-monitor'`,
      )
      return (rows[0] as unknown as { n: number }).n
    }),
  )
}

async function nameOf(pool: Pool): Promise<string> {
  const { rows } = await pool.query<{ name: string }>('select current_database() as name')
  return rows[0]!.name
}

describe.each(DRIVERS)('databases and tenants on one cluster over $driver', ({ make }) => {
  function manage(): Manager<{ app: object; first: object }> {
    const nodes = cluster.nodes.map(({ url }) => url)
    const first = nodes.map((url) => url.replace(/\/app(\?|$)/, '/tenant_0$1'))
    const manager = createManager({
      drivers: { only: make() },
      databases: { app: { nodes }, first: { nodes: first } },
      budget: { perServer: 30 },
      tenants: { resolve: (id) => ({ on: 'app', database: id }) },
    })
    managers.push(manager as Manager)
    return manager as never
  }

  it('S92: each server is watched once, however many databases and tenants are on it', async () => {
    const manager = manage()
    const ids = Array.from({ length: TENANTS }, (_, index) => `tenant_${index}`)
    const names = await Promise.all([
      nameOf(manager.database('app')),
      nameOf(manager.database('first')),
      ...ids.map((id) => nameOf(manager.tenant(id))),
      ...ids.map((id) =>
        nameOf(manager.tenant(id).reader({ maxStalenessMs: Number.POSITIVE_INFINITY })),
      ),
    ])
    expect(names).toEqual(['app', 'tenant_0', ...ids, ...ids])
    expect(await monitors()).toEqual([1, 1])
    expect(manager.health()).toMatchObject({ ready: true, degraded: false })
  })

  it('S92: a hundred calls for different databases at once each reach their own, also those that waited for a primary', async () => {
    const manager = manage()
    // The primary is not known yet, so that all of them are held and let go together.
    const calls = Array.from({ length: 100 }, async (_, call) => {
      const id = `tenant_${call % TENANTS}`
      const tenant = manager.tenant(id)
      const found = await tenant.transaction(async (tx) => {
        const { rows } = await tx.query<{ name: string }>('select current_database() as name')
        return rows[0]!.name
      })
      return found === id
    })
    expect(await Promise.all(calls)).toEqual(Array.from({ length: 100 }, () => true))
  })

  it('follows the primary for every tenant at once, with its subscriptions', async () => {
    const manager = manage()
    const tenant = manager.tenant('tenant_1')
    const heard: string[] = []
    const gaps: unknown[] = []
    await tenant.listen('news', (payload) => void heard.push(payload), {
      onGap: (gap) => void gaps.push(gap),
    })
    await tenant.query(`select pg_notify('news', 'before')`)
    await manager.tenant('tenant_2').query(`select pg_notify('news', 'of another tenant')`)
    const before = cluster.primary
    await before.kill()
    const held = [tenant, manager.tenant('tenant_2'), manager.database('app')].map((pool) =>
      nameOf(pool),
    )
    const after = await cluster.failover()
    expect(await Promise.all(held)).toEqual(['tenant_1', 'tenant_2', 'app'])
    await expect.poll(() => gaps.length, { timeout: 10_000 }).toBeGreaterThan(0)
    await tenant.query(`select pg_notify('news', 'after')`)
    await expect.poll(() => heard.at(-1), { timeout: 10_000 }).toBe('after')
    expect(heard).toEqual(['before', 'after'])
    expect(manager.health().databases['app']).toMatchObject({ ready: true, degraded: true })
    await before.rejoinAs(after)
    await expect
      .poll(() => manager.health().databases['app']?.degraded, { timeout: 10_000 })
      .toBe(false)
  })

  it('S91: closed during a failover with a hundred calls that wait, every one settles and nothing is left', async () => {
    const manager = manage()
    await Promise.all(
      Array.from({ length: TENANTS }, (_, index) => nameOf(manager.tenant(`tenant_${index}`))),
    )
    const before = cluster.primary
    await before.kill()
    const calls = Array.from({ length: 100 }, (_, call) =>
      manager.tenant(`tenant_${call % TENANTS}`).query('select 1'),
    )
    const ends = Promise.allSettled(calls)
    await new Promise((resolve) => setTimeout(resolve, 50))
    await manager.close({ timeoutMs: 1_000 })
    expect((await ends).filter(({ status }) => status === 'rejected').length).toBeGreaterThan(0)
    const after = await cluster.failover()
    await before.rejoinAs(after)
    await expect.poll(monitors).toEqual([0, 0])
  })
})
