import { type Pool, PoolClosedError } from '@poolhouse/core'
import { createManager, type Manager } from '@poolhouse/manager'
import { type Cluster, startCluster } from '@poolhouse/testkit'
import { afterEach, describe, expect, it } from 'vitest'
import { DRIVERS } from '../support/drivers.js'

let cluster: Cluster | undefined
let manager: Manager | undefined

afterEach(async () => {
  await manager?.close({ timeoutMs: 0 })
  await cluster?.stop()
})

describe.each(DRIVERS)('a shutdown while the primary is lost, over $driver', ({ make }) => {
  it('T68: serves held calls of databases, views and tenants by the primary that appears within the grace, and no later one', async () => {
    cluster = await startCluster({ replicas: 1, synchronous: false })
    const { primary } = cluster
    await primary.sql('create database tenant_a owner app')
    await primary.sql('create table seen(who text)')
    await primary.sql('grant all on seen to public')
    const [, replica] = cluster.nodes
    await replica!.sql('select 1')
    let asked = 0
    let answer: () => void = () => {}
    manager = createManager({
      drivers: { only: make() },
      databases: {
        app: {
          nodes: cluster.nodes.map(({ url }) => url),
          pool: { max: 5 },
          failover: { probe: { intervalMs: 250 } },
        },
      },
      tenants: {
        limits: { max: 1 },
        resolve: async (id) => {
          if (id === 'slow') {
            asked++
            await new Promise<void>((resolve) => {
              answer = resolve
            })
          }
          return id === 'own' ? { database: 'tenant_a' } : { settings: { 'app.tenant': id } }
        },
      },
    }) as Manager
    const db = manager.database('app') as Pool & { session(): Pool }
    await db.query('select 1')
    await Promise.all(['own', 'shared'].map((id) => manager!.tenant(id).query('select 1')))
    await primary.kill()
    const write = (pool: Pool, who: string): Promise<unknown> =>
      pool.transaction((tx) => tx.query('insert into seen values ($1)', [who]))
    const held = [
      write(db, 'database'),
      write(db.session(), 'session'),
      manager.tenant('own').query('select 1'),
      // The second one waits at the gate of its tenant.
      write(manager.tenant('shared'), 'first'),
      write(manager.tenant('shared'), 'second'),
      // And this one for the answer where its tenant is.
      write(manager.tenant('slow'), 'slow'),
    ]
    const outcomes = Promise.allSettled(held)
    await new Promise((resolve) => setTimeout(resolve, 300))
    const shutdown = manager.shutdown({ graceMs: 15_000 })
    await expect(db.query('select 1')).rejects.toThrow(PoolClosedError)
    await expect(manager.database('app').query('select 1')).rejects.toThrow(PoolClosedError)
    await expect(manager.tenant('shared').query('select 1')).rejects.toThrow(PoolClosedError)
    expect(asked).toBe(1)
    answer()
    await replica!.promote()
    const all = await outcomes
    expect(
      all.map((each) => (each.status === 'rejected' ? String(each.reason) : 'served')),
    ).toEqual(held.map(() => 'served'))
    const beganAt = performance.now()
    await shutdown
    expect(performance.now() - beganAt).toBeLessThan(3_000)
    const rows = await replica!.sql<{ who: string }>('select who from seen order by who')
    expect(rows.map(({ who }) => who)).toEqual(['database', 'first', 'second', 'session', 'slow'])
  })

  it('T68: rejects what is still held when the grace is over', async () => {
    cluster = await startCluster({ replicas: 1, synchronous: false })
    manager = createManager({
      drivers: { only: make() },
      databases: { app: { nodes: cluster.nodes.map(({ url }) => url) } },
    }) as Manager
    const db = manager.database('app')
    await db.query('select 1')
    await cluster.primary.kill()
    const held = db.query('select 1').catch((error: unknown) => error)
    await new Promise((resolve) => setTimeout(resolve, 300))
    const beganAt = performance.now()
    await manager.shutdown({ graceMs: 1_000 })
    expect(performance.now() - beganAt).toBeLessThan(3_000)
    expect(await held).toMatchObject({ executed: 'no' })
  })
})
