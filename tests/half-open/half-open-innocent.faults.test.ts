import { describe, expect, it } from 'vitest'
import { DRIVERS } from '../support/drivers.js'
import { guardProcess } from '../support/process-guards.js'
import { testServer } from '../support/servers/test-server.js'

guardProcess()
const server = testServer()

describe.each(DRIVERS)(
  'a line that works, looked at ten times a second, over $driver',
  ({ make }) => {
    const openPool = server.poolsOver(make())
    const watchdog = { silenceMs: 100 }

    it('T58: is left alone when the answer has waited for an event loop that was held up', async () => {
      const pool = openPool({ max: 2, watchdog })
      await pool.warm(2)
      for (let round = 0; round < 3; round++) {
        const call = pool.query('select pg_sleep(0.2), 7 as n')
        await new Promise((resolve) => setTimeout(resolve, 150))
        const until = performance.now() + 700
        while (performance.now() < until);
        expect((await call).rows).toMatchObject([{ n: 7 }])
      }
      expect(pool.stats().counters).toMatchObject({ destroyed: 0, errors: 0 })
    })

    it('T58: is left alone while statements wait behind one another, and between those of a transaction', async () => {
      const pool = openPool({ max: 2, watchdog })
      await pool.transaction(async (tx) => {
        const sums = await Promise.all(
          [1, 2, 3, 4].map((n) => tx.query(`select pg_sleep(0.15), ${n} as n`)),
        )
        expect(sums.map(({ rows }) => rows[0]!['n'])).toEqual([1, 2, 3, 4])
        await new Promise((resolve) => setTimeout(resolve, 400))
        expect((await tx.query('select pg_sleep(0.3), 5 as n')).rows).toMatchObject([{ n: 5 }])
      })
      expect(pool.stats().counters).toMatchObject({ destroyed: 0, errors: 0 })
    })

    it('T58: is left alone while the server works without a word, and while a long answer is on its way', async () => {
      const pool = openPool({ max: 1, watchdog })
      const counted = await pool.query(
        'select count(*)::int as n from generate_series(1, 3000) a, generate_series(1, 3000) b',
      )
      expect(counted.rows).toEqual([{ n: 9_000_000 }])
      const long = await pool.query("select repeat('x', 60000000) as text, pg_sleep(0.3)")
      expect((long.rows[0]!['text'] as string).length).toBe(60_000_000)
      expect(pool.stats().counters).toMatchObject({ destroyed: 0, errors: 0 })
    })
  },
)
