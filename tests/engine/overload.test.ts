import { PoolOverloadedError } from '@poolhouse/core'
import { describe, expect, it } from 'vitest'
import { DRIVERS } from '../support/drivers.js'
import { guardProcess } from '../support/process-guards.js'
import { testServer } from '../support/servers/test-server.js'

guardProcess()
const server = testServer()

describe.each(DRIVERS)('over $driver', ({ make }) => {
  const openPool = server.poolsOver(make())

  describe('a pool that sheds load', () => {
    it('serves whom it can serve well, refuses the others before anything is sent, and is itself again when the load is gone', async () => {
      const pool = openPool({ max: 2, overload: { targetMs: 200, intervalMs: 400 } })
      await server.sql('create table if not exists served (id int primary key)')
      await server.sql('truncate served')
      await server.sql('grant all on served to app')
      const events: number[] = []
      pool.on('overload', ({ pending }) => events.push(pending))

      // 300 calls of at least 10 ms on two connections: 1.5 s of work, come at once.
      const ends = await Promise.allSettled(
        Array.from({ length: 300 }, (_, id) =>
          pool.query('insert into served select $1::int from pg_sleep(0.01)', [id]),
        ),
      )
      const served = ends.flatMap((end, id) => (end.status === 'fulfilled' ? [id] : []))
      const refused = ends.flatMap((end) => (end.status === 'rejected' ? [end.reason] : []))
      expect(served.length).toBeGreaterThan(2)
      expect(refused.length).toBeGreaterThan(0)
      for (const error of refused) {
        expect(error).toBeInstanceOf(PoolOverloadedError)
        expect(error).toMatchObject({ executed: 'no', retryable: true })
      }
      expect(events.length).toBe(refused.length)
      // What the callers were told is what the server has done.
      const rows = await server.sql<{ id: number }>('select id from served order by id')
      expect(rows.map(({ id }) => id)).toEqual(served)

      expect((await pool.query('select 1 as one')).rows).toEqual([{ one: 1 }])
      expect(pool.stats()).toMatchObject({ pending: 0, counters: { destroyed: 0 } })
    })
  })
})
