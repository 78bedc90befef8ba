import { PoolDeadlockError } from '@poolhouse/core'
import { describe, expect, it } from 'vitest'
import { DRIVERS } from '../support/drivers.js'
import { guardProcess } from '../support/process-guards.js'
import { testServer } from '../support/servers/test-server.js'

guardProcess()
const server = testServer()

describe.each(DRIVERS)('over $driver', ({ make }) => {
  const openPool = server.poolsOver(make())

  describe('work that waits for the connection it holds itself', () => {
    it('is told so with both stacks long before its deadline, rolls back, and the pool goes on', async () => {
      const pool = openPool({ max: 1, acquireTimeoutMs: 60_000 })
      await server.sql('create table if not exists entries (id int)')
      await server.sql('grant all on entries to app')
      async function asksThePool(): Promise<void> {
        await pool.query('select 1')
      }
      async function holdsTheConnection(): Promise<void> {
        await pool.transaction(async (tx) => {
          await tx.query('insert into entries values (1)')
          await asksThePool()
        })
      }
      const error = await holdsTheConnection().then(
        () => undefined,
        (reason: unknown) => reason,
      )
      expect(error).toBeInstanceOf(PoolDeadlockError)
      expect(error).toMatchObject({ code: 'POOLHOUSE_POOL_DEADLOCK', executed: 'no' })
      const { waitingAt, heldAt } = error as PoolDeadlockError
      expect(waitingAt).toContain('asksThePool')
      expect(heldAt).toContain('holdsTheConnection')
      expect((await pool.query('select count(*)::int as n from entries')).rows).toEqual([{ n: 0 }])
      expect(pool.stats()).toMatchObject({ leased: 0, pending: 0, counters: { destroyed: 0 } })
    })

    it('is not taken for a deadlock when the pool has a connection left', async () => {
      const pool = openPool({ max: 2, acquireTimeoutMs: 60_000 })
      const { rows } = await pool.transaction(async () => pool.query('select 2 as two'))
      expect(rows).toEqual([{ two: 2 }])
    })
  })
})
