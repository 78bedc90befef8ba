import { createPool } from '@poolhouse/core'
import { type FailoverPool, withFailover } from '@poolhouse/failover'
import { startCluster } from '@poolhouse/testkit'
import { expect } from 'vitest'
import { scenario } from '../../support/scenario.js'
import { until } from '../../support/until.js'

const POOLS = 20
const CALLERS = 10
/** How many connections a pool opens at a time. */
const AT_A_TIME = 4

scenario(
  'S74: twenty pools with ten callers each return to a restarted primary gradually, and no call fails',
  async ({ make }) => {
    await using cluster = await startCluster({
      replicas: 0,
      settings: { max_connections: POOLS * (CALLERS + 2) + 10 },
    })
    const { primary } = cluster
    const driver = make()
    const pools: FailoverPool[] = Array.from({ length: POOLS }, (_, index) =>
      withFailover(
        [createPool({ driver, connection: primary.url, name: `p${index}`, max: CALLERS })],
        { probe: { intervalMs: 250 }, hold: { timeoutMs: 20_000 } },
      ),
    )
    let mostConnecting = 0
    let connected = 0
    for (const pool of pools) {
      pool.on('connect', () => connected++)
    }
    const watching = setInterval(() => {
      const connecting = pools.reduce((sum, pool) => sum + pool.stats().connecting, 0)
      mostConnecting = Math.max(mostConnecting, connecting)
    }, 2)
    try {
      await Promise.all(pools.map((pool) => pool.query('select 1')))
      await primary.stop('fast')
      await until(() => pools.every(({ topology }) => topology.current.primary === undefined))
      connected = 0
      const calls = pools.flatMap((pool) =>
        Array.from({ length: CALLERS }, () => pool.query('select pg_sleep(0.01)')),
      )
      const ends = Promise.allSettled(calls)
      await primary.start()
      expect((await ends).filter(({ status }) => status === 'rejected')).toEqual([])
      expect(mostConnecting).toBeLessThanOrEqual(POOLS * AT_A_TIME)
      // One connection for each caller at most: none was opened for nothing.
      expect(connected).toBeLessThanOrEqual(POOLS * CALLERS)
    } finally {
      clearInterval(watching)
      await Promise.all(pools.map((pool) => pool.close({ timeoutMs: 1_000 })))
    }
  },
)
