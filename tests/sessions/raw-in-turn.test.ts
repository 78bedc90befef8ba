import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { type ConnectionPool, createPool, type Lease, type PoolOptions } from '@poolhouse/core'
import type { Client } from 'pg'
import { from, to } from 'pg-copy-streams'
import Cursor from 'pg-cursor'
import type { Sql } from 'postgres'
import { afterEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import { everyServer } from '../support/every-server.js'
import { failureOf } from '../support/failure-of.js'
import { PID } from '../support/servers/test-server.js'

const NOTE = `select set_config('app.note', 'late', false)`
const READ = `select coalesce(current_setting('app.note', true), '') as note`
const FAKES = ['setTimeout', 'clearTimeout', 'setImmediate', 'clearImmediate', 'Date'] as const

function run(raw: unknown, text: string): Promise<unknown> {
  const client = raw as Client | Sql
  return Promise.resolve('unsafe' in client ? client.unsafe(text) : client.query(text))
}

// What is asked here is how the two sides of one session take turns; no version speaks differently.
const newest = everyServer().filter(({ version }) => version === 18)

afterEach(() => {
  vi.useRealTimers()
})

describe.each(newest)(
  'lease.raw over $driver takes turns with the pool:',
  ({ driver, make, cluster }) => {
    const isPg = driver === 'nodePostgres'
    const openPool = async (options: Partial<PoolOptions> = {}): Promise<ConnectionPool> => {
      const { primary } = await cluster()
      const pool = createPool({ driver: make(), connection: primary.url, max: 1, ...options })
      onTestFinished(() => pool.close({ timeoutMs: 0 }))
      return pool
    }
    const noteOf = async (pool: ConnectionPool): Promise<unknown> =>
      (await pool.query<{ note: string }>(READ)).rows[0]!.note
    /** A lease whose client is started. */
    const take = async (pool: ConnectionPool): Promise<{ lease: Lease; raw: unknown }> => {
      const lease = await pool.acquire()
      const { raw } = lease
      await run(raw, 'select 1')
      return { lease, raw }
    }

    it('in the order of the calls, in a transaction that fails in the middle', async () => {
      const pool = await openPool()
      await pool.use(async (lease) => {
        await lease.query('begin; create temp table t (n int) on commit drop')
        const { raw } = lease
        await Promise.all([
          lease.query('insert into t values (1)'),
          run(raw, 'insert into t select count(*) + 1 from t'),
          lease.query('insert into t select count(*) + 1 from t'),
        ])
        expect((await lease.query('select n from t order by n')).rows).toHaveLength(3)
        expect(await failureOf(run(raw, 'select 1/0'))).toMatchObject({ code: '22012' })
        expect(await failureOf(lease.query('select 1'))).toMatchObject({ code: '25P02' })
        expect(await failureOf(run(raw, 'select 1'))).toMatchObject({ code: '25P02' })
        await run(raw, 'rollback')
        expect((await lease.query('select 1 as n')).rows).toEqual([{ n: 1 }])
      })
      expect(pool.stats().counters.destroyed).toBe(0)
    })

    it('is taken first when a transaction has failed', async () => {
      const pool = await openPool()
      await pool.use(async (lease) => {
        await lease.query('begin')
        await failureOf(lease.query('select 1/0'))
        expect(await failureOf(run(lease.raw, 'select 1'))).toMatchObject({ code: '25P02' })
        await run(lease.raw, 'rollback')
      })
      expect(pool.stats().counters.destroyed).toBe(0)
    })

    it('what was called in the turn of the release is over before the next borrower', async () => {
      const pool = await openPool()
      for (let round = 0; round < 5; round++) {
        const { lease, raw } = await take(pool)
        const begun = run(raw, `select pg_sleep(0.02), set_config('app.note', 'late', false)`)
        await Promise.resolve()
        await Promise.resolve()
        const next = pool.acquire()
        lease.release()
        const after = await next
        await run(after.raw, 'begin')
        expect((await after.query(READ)).rows).toEqual([{ note: '' }])
        await begun
        await run(after.raw, 'rollback')
        after.release()
      }
      expect(await noteOf(pool)).toBe('')
      expect(pool.stats().counters).toMatchObject({ created: 1, destroyed: 0 })
    })

    it('what was queued in its client and spoils the session ends with it', async () => {
      const pool = await openPool()
      const pid = (await pool.query(PID)).rows[0]
      const { lease, raw } = await take(pool)
      const sleeping = run(raw, 'select pg_sleep(0.05)')
      const spoiling = run(raw, 'prepare kept as select 1').catch(() => undefined)
      const loading = run(raw, `load 'plpgsql'`).catch(() => undefined)
      await Promise.resolve()
      await Promise.resolve()
      lease.release()
      const next = (await pool.query(PID)).rows[0]
      await Promise.allSettled([sleeping, spoiling, loading])
      expect(next).not.toEqual(pid)
    })

    it('a lease that ends while the client is being made costs nothing', async () => {
      const pool = await openPool()
      for (let round = 0; round < 3; round++) {
        const lease = await pool.acquire()
        void lease.raw
        lease.release()
        expect((await pool.query('select 1 as n')).rows).toEqual([{ n: 1 }])
      }
      expect(pool.stats().counters).toMatchObject({ created: 1, destroyed: 0 })
    })

    it.each(['destroyed', 'closed', 'lost'])(
      'a session that is %s while its client is being made leaves nothing',
      async (how) => {
        const pool = await openPool()
        const pid = (await pool.query<{ pid: number }>(PID)).rows[0]!.pid
        const lease = await pool.acquire()
        const query = failureOf(run(lease.raw, 'select pg_sleep(1)'))
        if (how === 'lost') {
          const { primary } = await cluster()
          await primary.sql('select pg_terminate_backend($1)', [pid])
        } else if (how === 'destroyed') lease.destroy('enough')
        else void pool.close({ timeoutMs: 0 })
        expect(await query).toBeInstanceOf(Error)
        if (how === 'lost') lease.release()
        await pool.close({ timeoutMs: 0 })
        await pause(5)
        const timers = process.getActiveResourcesInfo().filter((kind) => kind === 'Immediate')
        expect(timers).toEqual([])
      },
    )

    it('under fake timers', async () => {
      vi.useFakeTimers({ toFake: [...FAKES] })
      const pool = await openPool()
      await pool.use(async (lease) => {
        await run(lease.raw, 'select 1')
        expect((await lease.query('select 1 as n')).rows).toEqual([{ n: 1 }])
        await Promise.all([run(lease.raw, 'select 2'), run(lease.raw, 'select 3')])
      })
      expect(await noteOf(pool)).toBe('')
      expect(pool.stats().counters.destroyed).toBe(0)
    })

    it('a COPY out that is left unread keeps the session from no later borrower', async () => {
      for (const rows of [2_000, 200_000]) {
        const pool = await openPool()
        const { lease, raw } = await take(pool)
        const text = `copy (select repeat('x', 30) from generate_series(1, ${rows})) to stdout`
        const stream = isPg
          ? (raw as Client).query(to(text))
          : await (raw as Sql).unsafe(text).readable()
        stream.on('error', () => undefined)
        if (isPg) await once(stream, 'readable')
        await pause(30)
        lease.release()
        await pool.use(async (next) => {
          expect((await next.query('select 1 as n')).rows).toEqual([{ n: 1 }])
          await run(next.raw, 'select 1')
        })
      }
    })

    it('a COPY in, and the pool right behind its end, its error and its late data', async () => {
      const pool = await openPool()
      await pool.use(async (lease) => {
        await lease.query('create temp table t (n int)')
        const text = 'copy t from stdin'
        const open = async (): Promise<NodeJS.WritableStream> =>
          isPg
            ? (lease.raw as Client).query(from(text))
            : (lease.raw as Sql).unsafe(text).writable()
        const good = await open()
        const counted = new Promise((resolve, reject) => {
          good.on('error', reject)
          good.on('finish', () => resolve(lease.query('select count(*)::int as n from t')))
        })
        for (let n = 0; n < 1_000; n++) good.write(`${n}\n`)
        good.end()
        expect(await counted).toMatchObject({ rows: [{ n: 1_000 }] })
        const bad = await open()
        const failed = new Promise((resolve) => bad.on('error', resolve))
        bad.write('one\n')
        for (let n = 0; n < 3_000; n++) bad.write(`${'1'.repeat(9)}\n`)
        await failed
        // Those of pg take nothing any more.
        if (!isPg) bad.write('2\n')
        const both = Promise.all([lease.query('select 1 as n'), lease.query('select 2 as n')])
        if (!isPg) bad.end()
        expect((await both).map(({ rows }) => rows[0])).toEqual([{ n: 1 }, { n: 2 }])
      })
    })

    it('rows that are fetched some at a time, with the pool waiting for the last', async () => {
      const pool = await openPool()
      await pool.use(async (lease) => {
        const text = 'select n from generate_series(1, 10) as n'
        const order: string[] = []
        let ours: Promise<unknown> | undefined
        const begin = (): void => {
          ours ??= lease.query('select 1').then(() => order.push('ours'))
        }
        if (isPg) {
          const cursor = (lease.raw as Client).query(new Cursor(text))
          for (let rows = await cursor.read(4); rows.length > 0; rows = await cursor.read(4)) {
            order.push(`${rows.length}`)
            begin()
          }
          await cursor.close()
        } else {
          for await (const rows of (lease.raw as Sql).unsafe(text).cursor(4)) {
            order.push(`${rows.length}`)
            begin()
          }
        }
        await ours
        expect(order).toEqual(['4', '4', '2', 'ours'])
      })
      expect(pool.stats().counters.destroyed).toBe(0)
    })

    it('statements in one piece behind what runs on it', async () => {
      const pool = await openPool()
      await pool.use(async (lease) => {
        const order: string[] = []
        const raw = run(lease.raw, 'select pg_sleep(0.05)').then(() => order.push('raw'))
        await Promise.resolve()
        await Promise.resolve()
        const outcomes = await lease.batch(['select 1 as n', 'select 1/0', 'select 2 as n'])
        order.push('batch')
        await raw
        expect(outcomes).toMatchObject([
          { value: { rows: [{ n: 1 }] } },
          { reason: { code: '22012' } },
          { value: { rows: [{ n: 2 }] } },
        ])
        expect(order).toEqual(['raw', 'batch'])
      })
    })

    if (isPg) {
      it('a pg.Client hears what it listens to, and the next borrower does not', async () => {
        const pool = await openPool()
        const other = await openPool()
        const { lease, raw } = await take(pool)
        const client = raw as Client
        const heard: unknown[] = []
        client.on('notification', ({ payload }) => heard.push(payload))
        await client.query('listen news')
        await other.query(`select pg_notify('news', 'first')`)
        await lease.query('select 1')
        await vi.waitFor(() => expect(heard).toEqual(['first']))
        lease.release()
        await pool.query('select 1')
        await other.query(`select pg_notify('news', 'second')`)
        await pool.query('select 1')
        expect(heard).toEqual(['first'])
        expect(pool.stats().counters.destroyed).toBe(0)
      })

      it('a pg.Client that its borrower ends takes the session with it', async () => {
        const pool = await openPool()
        const { lease, raw } = await take(pool)
        await (raw as Client).end()
        lease.release()
        expect((await pool.query('select 1 as n')).rows).toEqual([{ n: 1 }])
        expect(pool.stats().counters).toMatchObject({ created: 2, destroyed: 1 })
      })
    } else {
      it('a file of SQL that is read only after the lease is not sent', async () => {
        const path = join(tmpdir(), `raw-in-turn-${process.pid}.sql`)
        await writeFile(path, NOTE)
        const pool = await openPool()
        const { lease, raw } = await take(pool)
        const sql = raw as Sql
        expect(await sql.file(path)).toMatchObject([{ set_config: 'late' }])
        const late = failureOf(sql.file(path))
        await Promise.resolve()
        await Promise.resolve()
        const next = pool.acquire()
        lease.release()
        const after = await next
        const held = after.raw
        await pause(30)
        expect(await late).toMatchObject({ name: 'LeaseReleasedError' })
        expect((await after.query(READ)).rows).toEqual([{ note: '' }])
        await run(held, 'select 1')
        after.release()
        expect(pool.stats().counters.destroyed).toBe(0)
      })

      it('an instance of postgres.js cannot be ended by its borrower', async () => {
        const pool = await openPool()
        const { lease, raw } = await take(pool)
        const sql = raw as Sql
        expect((await failureOf(sql.end())).message).toContain('release or destroy the lease')
        await sql.notify('unheard', 'news')
        lease.release()
        expect(await noteOf(pool)).toBe('')
        expect(pool.stats().counters.destroyed).toBe(0)
      })
    }
  },
)
