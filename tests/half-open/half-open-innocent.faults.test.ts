import type { CopySource, PoolOptions } from '@poolhouse/core'
import { startFaultProxy } from '@poolhouse/testkit'
import { beforeAll, describe, expect, it } from 'vitest'
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

    describe('with an upload', () => {
      const COPY = 'copy uploads from stdin'
      const LINE = `${'x'.repeat(1_023)}\n`

      beforeAll(async () => {
        await server.sql('create table if not exists uploads(line text)')
        await server.sql('grant all on uploads to public')
      })

      const isLeftAlone = async (
        source: CopySource,
        rowCount: number,
        options: Partial<PoolOptions> = {},
      ): Promise<void> => {
        const pool = openPool({ max: 1, watchdog, ...options })
        expect(await pool.copyFrom(COPY, source)).toMatchObject({ rowCount })
        expect(pool.stats().counters).toMatchObject({ created: 1, destroyed: 0, errors: 0 })
        await server.sql('truncate uploads')
      }

      it('T58: is left alone while the source owes the data', async () => {
        async function* slow(): AsyncGenerator<string> {
          for (const _ of [1, 2, 3]) {
            yield LINE.repeat(20)
            await new Promise((resolve) => setTimeout(resolve, 1_000))
          }
        }
        await isLeftAlone(slow(), 60)
      })

      it('T58: is left alone over a slow line, on which the end of the data was sent long ago', async () => {
        await using line = await startFaultProxy(server.url)
        // On a busy machine the proxy is several times slower than it says.
        line.bandwidth(100_000, 'to-server')
        await isLeftAlone([LINE.repeat(400)], 400, {
          connection: line.url(),
          watchdog: { silenceMs: 500 },
        })
      })

      it('T58: is left alone over a slow line, on which it waits for room', async () => {
        await using line = await startFaultProxy(server.url)
        line.bandwidth(8_000_000, 'to-server')
        const pieces = Array.from({ length: 320 }, () => LINE.repeat(64))
        await isLeftAlone(pieces, 20_480, { connection: line.url() })
      })

      it('T58: is left alone while a trigger is at work', async () => {
        await server.sql(
          'create or replace function slowly() returns trigger language plpgsql as ' +
            '$$begin perform pg_sleep(0.9); return new; end$$',
        )
        await server.sql(
          'create or replace trigger slowly before insert on uploads for each row execute function slowly()',
        )
        await isLeftAlone([LINE, LINE, LINE], 3)
        await server.sql('drop trigger slowly on uploads')
      })

      it('T58: is left alone while it waits for a lock', async () => {
        const holder = openPool({ max: 1 })
        const lease = await holder.acquire()
        await lease.query('begin')
        await lease.query('lock table uploads in access exclusive mode')
        const upload = isLeftAlone([LINE], 1)
        await new Promise((resolve) => setTimeout(resolve, 1_500))
        await lease.query('commit')
        await upload
      })

      it('T58: is left alone while the event loop is held up', async () => {
        function* source(): Generator<string> {
          for (let piece = 0; piece < 400; piece++) {
            if (piece % 100 === 99) holdUp(700)
            yield LINE.repeat(64)
          }
        }
        const timer = setInterval(() => holdUp(300), 400)
        await isLeftAlone(source(), 25_600)
        clearInterval(timer)
      })
    })
  },
)

function holdUp(ms: number): void {
  const until = performance.now() + ms
  while (performance.now() < until);
}
