import type { Pool } from '@poolhouse/core'
import { createManager } from '@poolhouse/manager'
import { describe, expect, it } from 'vitest'
import { everyServer } from '../support/every-server.js'

describe.each(everyServer())(
  'a budget of two over $driver on PostgreSQL $version',
  ({ make, cluster }) => {
    it('T20: two works that each hold one connection and want one of the other database, or tenant, are told within a second', async () => {
      const { primary } = await cluster()
      await primary.sql(
        'create schema if not exists a; create schema if not exists b; grant usage on schema a, b to public',
      )
      await using manager = createManager({
        drivers: { only: make() },
        databases: { one: { primary: primary.url }, two: { primary: primary.url } },
        budget: { perServer: 2 },
        tenants: { resolve: (id) => ({ on: 'one', schema: id }) },
      })
      const pairs: [Pool, Pool][] = [
        [manager.database('one'), manager.database('two')],
        [manager.unscoped(() => manager.tenant('a')), manager.database('two')],
      ]
      for (const [one, other] of pairs) {
        let holding = 0
        let bothHold = (): void => {}
        const met = new Promise<void>((resolve) => {
          bothHold = resolve
        })
        const work = (first: Pool, second: Pool) =>
          first.transaction(async (tx) => {
            await tx.query('select 1')
            if (++holding === 2) bothHold()
            await met
            const startedAt = performance.now()
            try {
              return (await second.query('select 2')).command
            } catch (error) {
              return `${(error as Error).name} ${performance.now() - startedAt < 2_000}`
            }
          })
        const ends = await Promise.all([work(one, other), work(other, one)])
        expect(ends.sort()).toEqual(['PoolDeadlockError true', 'SELECT'])
      }
    })
  },
)
