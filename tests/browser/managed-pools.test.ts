import { createServer } from 'node:http'
import { createDashboard } from '@poolhouse/dashboard'
import { createManager } from '@poolhouse/manager'
import { nodePostgres } from '@poolhouse/node-postgres'
import { startCluster } from '@poolhouse/testkit'
import { expect, test } from 'vitest'
import { launchChromium } from './chromium.js'
import { listen } from './followed-cluster.js'
import { openPage } from './opened-page.js'

test('of a manager the page shows each database and tenant, and who has how much of the budget', async () => {
  await using cluster = await startCluster({ replicas: 0 })
  const { url, host, port } = cluster.primary
  await using manager = createManager({
    drivers: { pg: nodePostgres() },
    databases: { app: url, dw: url },
    tenants: { resolve: () => ({ on: 'app', schema: 'public' }) },
    budget: { perServer: 12 },
  })
  const lease = await manager.database('app').acquire()
  const held = await Promise.all([
    manager.tenant('acme').acquire(),
    manager.tenant('acme').acquire(),
    // Of one name with a database.
    manager.tenant('dw').acquire(),
  ])
  const server = createServer(createDashboard(manager))
  try {
    await using browser = await launchChromium()
    await using opened = await openPage(browser, await listen(server))
    for (const [name, used] of Object.entries({ app: 1, dw: 0, acme: 2 })) {
      const kind = name === 'acme' ? 'tenant' : 'database'
      const pool = `.pool[data-pool="${name}"][data-kind="${kind}"]`
      await opened.untilText(`${pool} [data-value="used"]`, String(used))
    }
    const other = '.pool[data-pool="dw"][data-kind="tenant"]'
    await opened.untilText(`${other} [data-value="used"]`, '1')
    expect(await opened.text(`${other} strong`)).toBe('dw (tenant)')
    const budget = `[data-server="${host}:${port}"]`
    const { used, beside, limit } = manager.stats().servers[`${host}:${port}`]!
    await opened.untilText(`${budget} .whole .number`, `${used + beside} of ${limit}`)
    const holders = manager.holders()[`${host}:${port}`]!
    expect(holders).toContainEqual({ name: 'acme', kind: 'tenant', held: 2 })
    await opened.untilText(`${budget} [data-holder="acme"] .number`, '2, 17 %')
    expect(await opened.text('section[aria-labelledby="holders"]')).toContain('acme@')
    // The charts are those of the pool that is chosen.
    await opened.page.select('.choice select', 'tenant acme')
    await opened.untilText('.chart .key:nth-of-type(3) b', '2')
    await opened.page.setViewport({ width: 400, height: 900 })
    expect(await opened.overflow()).toBe(0)
    expect(await opened.barriers()).toEqual([])
    expect(opened.faults).toEqual([])
  } finally {
    for (const each of [lease, ...held]) each.release()
    server.closeAllConnections()
    server.close()
  }
})
