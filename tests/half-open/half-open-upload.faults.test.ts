import { type ConnectionPool, createPool, type PoolOptions } from '@poolhouse/core'
import { startFaultProxy } from '@poolhouse/testkit'
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { Stopwatch } from '../support/clocks/stopwatch.js'
import { everyServer } from '../support/every-server.js'
import { failureOf } from '../support/failure-of.js'
import { guardProcess } from '../support/process-guards.js'
import { startStickingLine } from './sticking-line.js'

guardProcess()

// Short, so that many scenarios fit; the defaults have a scenario of their own.
const QUICK = { watchdog: { silenceMs: 250 } }
const COPY = 'copy uploads from stdin'
const LINE = `${'x'.repeat(1_023)}\n`
const PIECE = Buffer.from(LINE.repeat(64))

describe.each(everyServer())(
  'the line of an upload that was forgotten, over $driver on PostgreSQL $version',
  ({ make, cluster }) => {
    let url: string
    let sql: <Row>(text: string) => Promise<Row[]>

    beforeAll(async () => {
      const { primary } = await cluster()
      url = primary.url
      sql = (text) => primary.sql(text)
      await sql('create table if not exists uploads(line text)')
      await sql('grant all on uploads to public')
    })

    function openPool(connection: string, options: Partial<PoolOptions> = QUICK): ConnectionPool {
      const pool = createPool({ driver: make(), connection, name: 'test', max: 2, ...options })
      onTestFinished(() => pool.close({ timeoutMs: 0 }))
      return pool
    }

    const rows = async (): Promise<number> =>
      (await sql<{ n: number }>('select count(*)::int as n from uploads'))[0]!.n

    it('T58: is noticed within 4.5 s at the defaults when no more data goes out, and nothing is stored', async () => {
      await using line = await startStickingLine(url)
      const pool = openPool(line.url, {})
      using watch = new Stopwatch()
      let stuckAt = 0
      let given = 0
      function* source(): Generator<Uint8Array> {
        for (; given < 2_000; given++) {
          if (given === 20) {
            line.stick()
            stuckAt = watch.elapsedMs
          }
          yield PIECE
        }
      }
      const error = await failureOf(pool.copyFrom(COPY, source()))
      expect(watch.elapsedMs - stuckAt).toBeLessThan(4_500)
      expect(error).toMatchObject({ name: 'ConnectionLostError', executed: 'rolled-back' })
      expect(error.message).toContain('half open')
      // It was in the middle of its data.
      expect(given).toBeGreaterThan(20)
      expect(given).toBeLessThan(2_000)
      expect((await pool.query('select 1 as n')).rows).toEqual([{ n: 1 }])
      expect(pool.stats().counters).toMatchObject({ errors: 1, timeouts: 0 })
      expect(await rows()).toBe(0)
    })

    it.each(['the socket', 'the line'])(
      'T58: is noticed after the end of a small upload whose data stays in %s, which is told as unknown and not sent again',
      async (how) => {
        await using stuck = await startStickingLine(url)
        await using swallowing = await startFaultProxy(url)
        const isStuck = how === 'the socket'
        const pool = openPool(isStuck ? stuck.url : swallowing.url())
        let begun = 0
        async function* source(): AsyncGenerator<string> {
          begun++
          yield LINE.repeat(16)
          await new Promise((resolve) => setTimeout(resolve, 200))
          if (isStuck) stuck.stick()
          else swallowing.forget()
          yield LINE
        }
        const error = await failureOf(pool.copyFrom(COPY, source()))
        expect(error).toMatchObject({ name: 'ConnectionLostError', executed: 'unknown' })
        expect(error.message).toContain('waits for its client (ClientRead), at byte 16384')
        expect(begun).toBe(1)
        expect(await rows()).toBe(0)
      },
    )

    it('T58: is noticed where only the answers are lost, and what was stored is told as unknown', async () => {
      await using line = await startFaultProxy(url)
      const pool = openPool(line.url())
      async function* source(): AsyncGenerator<string> {
        yield LINE
        await new Promise((resolve) => setTimeout(resolve, 100))
        line.forget('to-client')
      }
      const error = await failureOf(pool.copyFrom(COPY, source()))
      expect(error).toMatchObject({ name: 'ConnectionLostError', executed: 'unknown' })
      expect(await rows()).toBe(1)
      await sql('truncate uploads')
    })

    it('T58: is noticed in a transaction, of which nothing was committed', async () => {
      await using line = await startStickingLine(url)
      const pool = openPool(line.url)
      const error = await failureOf(
        pool.transaction(async (tx) => {
          await tx.query('select 1')
          line.stick()
          await tx.copyFrom(COPY, [LINE])
        }),
      )
      expect(error).toMatchObject({ name: 'ConnectionLostError', executed: 'rolled-back' })
    })

    it('T58: is left to the deadline where the role may not read the progress of a COPY', async () => {
      await sql('revoke select on pg_stat_progress_copy from public')
      try {
        await using line = await startFaultProxy(url)
        const pool = openPool(line.url())
        async function* source(): AsyncGenerator<string> {
          yield LINE
          await new Promise((resolve) => setTimeout(resolve, 100))
          line.forget('to-server')
        }
        const error = await failureOf(pool.copyFrom(COPY, source(), { timeoutMs: 2_500 }))
        expect(error).toMatchObject({ name: 'StatementTimeoutError' })
      } finally {
        await sql('grant select on pg_stat_progress_copy to public')
      }
    })
  },
)
