import { createManager } from '@poolhouse/manager'
import { type Cluster, startCluster } from '@poolhouse/testkit'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { DRIVERS } from '../support/drivers.js'

let cluster: Cluster

beforeAll(async () => {
  cluster = await startCluster({ replicas: 2, synchronous: false })
})

afterAll(async () => {
  await cluster?.stop()
})

describe.each(DRIVERS)('a reload over $driver', ({ make }) => {
  it('takes a new list of nodes without dropping a call, and follows the primary to a node that was not listed before', async () => {
    const { primary } = cluster
    const [first, second] = cluster.nodes.filter((node) => node !== primary)
    const listed = (...nodes: { url: string }[]) => ({
      app: { nodes: nodes.map(({ url }) => url), failover: { probe: { intervalMs: 250 } } },
    })
    await using manager = createManager({
      drivers: { only: make() },
      databases: listed(primary, first!),
      tenants: { resolve: () => ({ schema: 'public' }) },
    })
    const app = manager.database('app')
    const tenant = manager.tenant('one')
    const states = (): Record<string, string> =>
      Object.fromEntries(app.topology.current.nodes.map(({ id, state }) => [id, state]))
    const id = ({ port }: { port: number }): string => `127.0.0.1:${port}`
    let isRunning = true
    let answers = 0
    const work = [app, tenant].map(async (view) => {
      while (isRunning) {
        await view.query('select 1')
        answers++
      }
    })
    await expect.poll(states, { timeout: 10_000 }).toEqual({
      [id(primary)]: 'primary',
      [id(first!)]: 'replica',
    })
    manager.reload(listed(primary, second!))
    await expect.poll(() => states()[id(second!)], { timeout: 10_000 }).toBe('replica')
    // The one that is not listed any more gets no reads, and stays until nothing is under way on
    // it.
    await expect.poll(() => ['replica', 'primary'].includes(states()[id(first!)] ?? '')).toBe(false)
    const { node } = await app.reader({ maxStalenessMs: 60_000 }).query('select 1')
    expect(node).not.toBe(id(first!))
    await app.switchover(() => cluster.switchover(second!), { timeoutMs: 60_000 })
    expect(app.topology.current.primary?.id).toBe(id(second!))
    const then = answers
    await expect.poll(() => answers).toBeGreaterThan(then + 10)
    isRunning = false
    await Promise.all(work)
    expect(() => manager.reload({ app: { primary: primary.url } } as never)).toThrow(/kind/)
  }, 120_000)
})
