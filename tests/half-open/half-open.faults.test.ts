import { type ConnectionPool, createPool, type PoolOptions } from '@poolhouse/core'
import { type FaultProxy, startFaultProxy } from '@poolhouse/testkit'
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { Stopwatch } from '../support/clocks/stopwatch.js'
import { everyServer } from '../support/every-server.js'
import { failureOf } from '../support/failure-of.js'
import { guardProcess } from '../support/process-guards.js'
import { until } from '../support/until.js'

guardProcess()

// Short, so that many scenarios fit; the defaults have a scenario of their own.
const QUICK = { silenceMs: 250, timeoutMs: 200 }
const WATCHER = `application_name = 'poolhouse-watchdog'`

describe.each(everyServer())(
  'a line that was forgotten, over $driver on PostgreSQL $version',
  ({ make, cluster }) => {
    let url: string
    let sql: <Row>(text: string) => Promise<Row[]>

    beforeAll(async () => {
      const { primary } = await cluster()
      url = primary.url
      sql = (text) => primary.sql(text)
      await sql('create table if not exists rows(id int)')
      await sql('grant all on rows to public')
    })

    async function forgetful(
      options: Partial<PoolOptions> = {},
    ): Promise<{ pool: ConnectionPool; line: FaultProxy }> {
      const line = await startFaultProxy(url)
      const pool = createPool({
        driver: make(),
        connection: line.url(),
        name: 'test',
        max: 2,
        watchdog: QUICK,
        ...options,
      })
      onTestFinished(async () => {
        await pool.close({ timeoutMs: 0 })
        await line.close()
      })
      return { pool, line }
    }

    const watchers = async (): Promise<number> =>
      (
        await sql<{ n: number }>(`select count(*)::int as n from pg_stat_activity where ${WATCHER}`)
      )[0]!.n

    it('T58: is noticed within 3.5 s at the defaults, and who waits behind it is served by new connections', async () => {
      const { pool, line } = await forgetful({ watchdog: undefined })
      await pool.warm(2)
      line.forget()
      const startedAt = performance.now()
      using watch = new Stopwatch()
      const lost = [failureOf(pool.query('select 1')), failureOf(pool.query('select 2'))]
      const waiting = pool.query('select 3 as n')
      for (const error of await Promise.all(lost)) {
        expect(error).toMatchObject({ name: 'ConnectionLostError', executed: 'unknown' })
        expect(error.message).toContain('half open')
      }
      expect((await waiting).rows).toEqual([{ n: 3 }])
      expect(watch.elapsedMs).toBeLessThan(3_500)
      expect(performance.now() - startedAt).toBeGreaterThan(2_000)
      expect(pool.stats().counters).toMatchObject({ errors: 2, timeouts: 0 })
      await until(async () => (await watchers()) === 0, 'the connection that asked to be closed')
    })

    it('T58: is noticed where only the answers are lost, and what was done is told as unknown', async () => {
      const { pool, line } = await forgetful()
      await pool.warm(1)
      line.forget('to-client')
      const error = await failureOf(pool.query('insert into rows values (58)'))
      expect(error).toMatchObject({ name: 'ConnectionLostError', executed: 'unknown' })
      expect(await sql('delete from rows where id = 58 returning id')).toEqual([{ id: 58 }])
    })

    it('T58: is noticed where the session is gone on the server', async () => {
      const { pool, line } = await forgetful()
      await pool.warm(1)
      line.forget()
      const lost = failureOf(pool.query('select 1'))
      await sql(
        `select pg_terminate_backend(pid, 5000) from pg_stat_activity where application_name = 'poolhouse'`,
      )
      expect(await lost).toMatchObject({ name: 'ConnectionLostError', executed: 'unknown' })
    })

    it('T58: leaves a slow statement alone on a line that works, and asks about it over one connection', async () => {
      const { pool } = await forgetful({ max: 3 })
      const sessions = new Set<string>()
      const slow = [1, 2, 3].map(() => pool.query<{ n: string }>('select pg_sleep(1.3)::text as n'))
      await until(async () => {
        const rows = await sql<{ pid: string }>(`select pid from pg_stat_activity where ${WATCHER}`)
        for (const { pid } of rows) sessions.add(pid)
        return rows.length > 0
      }, 'the server to be asked')
      await Promise.all(slow)
      expect(sessions.size).toBe(1)
      expect(pool.stats().counters).toMatchObject({ created: 3, destroyed: 0, errors: 0 })
      await until(async () => (await watchers()) === 0, 'the connection that asked to be closed')
    })

    it('T58: leaves a statement alone that waits for a lock', async () => {
      const { pool } = await forgetful()
      await pool.use(async (holder) => {
        await holder.query('begin')
        await holder.query('lock table rows')
        const waiting = pool.query('select count(*)::int as n from rows')
        await until(async () => (await watchers()) > 0, 'the server to be asked')
        await new Promise((resolve) => setTimeout(resolve, 600))
        // It is idle in its transaction all the while, and owes no answer.
        await holder.query('rollback')
        expect((await waiting).rowCount).toBe(1)
      })
      expect(pool.stats().counters).toMatchObject({ destroyed: 0, errors: 0 })
    })

    it('T58: is noticed after a slow statement, once the server is through with it', async () => {
      const { pool, line } = await forgetful()
      await pool.warm(1)
      const lost = failureOf(pool.query('select pg_sleep(1)'))
      await until(async () => (await watchers()) > 0, 'the server to be asked')
      line.forget('to-client')
      expect(await lost).toMatchObject({ name: 'ConnectionLostError', executed: 'unknown' })
    })

    it('T58: is noticed in a transaction, of which nothing was committed', async () => {
      const { pool, line } = await forgetful()
      const error = await failureOf(
        pool.transaction(async (tx) => {
          await tx.query('insert into rows values (1)')
          line.forget()
          await tx.query('insert into rows values (2)')
        }),
      )
      expect(error).toMatchObject({ name: 'ConnectionLostError', executed: 'rolled-back' })
    })

    it('T58: is noticed while COMMIT has no answer, whose outcome is told as unknown', async () => {
      const { pool, line } = await forgetful()
      const error = await failureOf(
        pool.transaction(async (tx) => {
          await tx.query('insert into rows values (3)')
          line.forget('to-client')
        }),
      )
      expect(error).toMatchObject({ executed: 'unknown' })
      expect(await sql('delete from rows where id = 3 returning id')).toEqual([{ id: 3 }])
    })

    it('T58: is noticed by a stream that asks for more, and not while its reader is at work', async () => {
      const { pool, line } = await forgetful()
      const seen: number[] = []
      const read = async (): Promise<void> => {
        const rows = pool.stream<{ n: number }>('select n from generate_series(1, 100) n', [], {
          batchSize: 10,
        })
        for await (const { n } of rows) {
          seen.push(n)
          if (n === 15) {
            line.forget()
            await new Promise((resolve) => setTimeout(resolve, 700))
          }
        }
      }
      const error = await failureOf(read())
      expect(error).toMatchObject({ name: 'ConnectionLostError' })
      expect(seen).toHaveLength(20)
    })

    it('T58: leaves a stream alone whose reader takes its time, and a copy whose source does', async () => {
      const { pool } = await forgetful()
      let count = 0
      for await (const _ of pool.stream('select n from generate_series(1, 20) n', [], {
        batchSize: 10,
      })) {
        if (++count === 10) await new Promise((resolve) => setTimeout(resolve, 700))
      }
      expect(count).toBe(20)
      async function* source(): AsyncGenerator<string> {
        yield '101\n'
        await new Promise((resolve) => setTimeout(resolve, 700))
        yield '102\n'
      }
      expect(await pool.copyFrom('copy rows from stdin', source())).toMatchObject({ rowCount: 2 })
      expect(await sql('delete from rows where id > 100 returning id')).toHaveLength(2)
      expect(pool.stats().counters).toMatchObject({ destroyed: 0, errors: 0 })
    })

    it('T58: is noticed by a copy that reads more than fits on the line', async () => {
      const { pool, line } = await forgetful()
      const read = async (): Promise<void> => {
        let pieces = 0
        for await (const _ of pool.copyTo(
          `copy (select repeat('x', 1000) from generate_series(1, 100000)) to stdout`,
        )) {
          if (++pieces === 5) line.forget()
        }
      }
      expect(await failureOf(read())).toMatchObject({ name: 'ConnectionLostError' })
    })

    it('T58: leaves a statement alone that is on its way over a slow line', async () => {
      const { pool, line } = await forgetful()
      await pool.warm(1)
      line.bandwidth(100_000, 'to-server')
      const { rows } = await pool.query<{ n: number }>('select length($1)::int as n', [
        'x'.repeat(100_000),
      ])
      expect(rows).toEqual([{ n: 100_000 }])
      expect(pool.stats().counters).toMatchObject({ created: 1, errors: 0 })
    })

    it('T58: is noticed by a session beside the pool', async () => {
      const { pool, line } = await forgetful()
      const session = await pool.openSession()
      line.forget()
      expect(await failureOf(session.query('select 1'))).toMatchObject({
        name: 'ConnectionLostError',
      })
      expect(session.closed).toBe(true)
    })

    it('T58: is reported to subscribers as soon as any call of the pool has noticed it', async () => {
      const { pool, line } = await forgetful()
      const gaps: unknown[] = []
      await pool.listen('news', () => undefined, { onGap: (gap) => gaps.push(gap) })
      await pool.warm(1)
      line.forget()
      await failureOf(pool.query('select 1'))
      await until(() => gaps.length > 0, 'the gap to be told')
    })

    it('T58: is left to the deadline of the statement with watchdog: false', async () => {
      const { pool, line } = await forgetful({ watchdog: false, statementTimeoutMs: 800 })
      await pool.warm(1)
      line.forget()
      expect(await failureOf(pool.query('select 1'))).toMatchObject({
        name: 'StatementTimeoutError',
      })
    })
  },
)
