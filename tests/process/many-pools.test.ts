import { describe, expect, it } from 'vitest'
import { DRIVERS } from '../support/drivers.js'
import { guardProcess } from '../support/process-guards.js'
import { testServer } from '../support/servers/test-server.js'
import { until } from '../support/until.js'

guardProcess()
const server = testServer()
const POOLS = 2_000

describe.each(DRIVERS)('many pools over $driver', ({ make }) => {
  const openPool = server.poolsOver(make())

  // How many pools there may be is for who makes them to say; what one of them costs is said here.
  it('X13: that are unused hold no connection, no timer and nothing else that is open', async () => {
    const before = process.getActiveResourcesInfo().length
    const pools = Array.from({ length: POOLS }, (_, tenant) => openPool({ name: `t${tenant}` }))
    await new Promise((resolve) => setImmediate(resolve))
    // The test runner opens and ends a few things of its own meanwhile; one for each pool is what
    // must not be.
    expect(process.getActiveResourcesInfo().length - before).toBeLessThan(POOLS / 100)
    expect(await server.sessions()).toBe(0)
    for (const pool of pools) expect(pool.stats().total).toBe(0)
  })

  it('X13: that were used once are back at nothing after their idle time', async () => {
    const pools = Array.from({ length: 20 }, (_, tenant) =>
      openPool({ name: `t${tenant}`, idleTimeoutMs: 100 }),
    )
    await Promise.all(pools.map((pool) => pool.query('select 1')))
    await until(() => pools.every((pool) => pool.stats().total === 0), 'the pools to be empty')
    await until(async () => (await server.sessions()) === 0, 'the sessions to end')
  })
})
