import { createPool } from '@poolhouse/core'
import { createManager } from '@poolhouse/manager'
import { describe, expect, it } from 'vitest'
import { startBalancingRelay } from '../support/balancing-relay.js'
import { everyServer } from '../support/every-server.js'

describe.each(everyServer())(
  'one server under several names, over $driver on PostgreSQL $version',
  ({ make, cluster }) => {
    it('T74: has one budget, whichever database names it how', async () => {
      const { primary } = await cluster()
      const named = (hostname: string): string =>
        Object.assign(new URL(primary.url), { hostname }).href
      await using relay = await startBalancingRelay(primary.url)
      await using manager = createManager({
        drivers: { only: make() },
        databases: {
          address: { primary: named('127.0.0.1') },
          name: { primary: named('localhost') },
          relayed: { primary: relay.through(primary.url) },
        },
        budget: { perServer: 8 },
      })
      await using monitor = createPool({ driver: make(), connection: primary.url, max: 1 })
      const sessions = async (): Promise<number> => {
        const { rows } = await monitor.query<{ n: number }>(
          "select count(*)::int as n from pg_stat_activity where backend_type = 'client backend' and usename = 'app' and pid <> pg_backend_pid()",
        )
        return rows[0]!.n
      }
      let working = true
      const names = ['address', 'name', 'relayed'] as const
      const calls = names.flatMap((name) =>
        Array.from({ length: 16 }, async () => {
          while (working) await manager.database(name).query('select pg_sleep(0.002)')
        }),
      )
      let most = 0
      for (let round = 0; round < 150; round++) most = Math.max(most, await sessions())
      const { servers } = manager.stats()
      working = false
      await Promise.all(calls)
      // Until a name's server has said who it is, that name may have one connection.
      expect(most).toBeLessThanOrEqual(8 + 2)
      expect(Object.keys(servers)).toHaveLength(3)
      for (const server of Object.values(servers)) {
        expect(server.limit).toBe(8)
        expect(server.used).toBeLessThanOrEqual(8)
        expect(server.used).toBe(Object.values(servers)[0]!.used)
      }
    })
  },
)
