import { type ConnectionPool, createPool, type PoolOptions } from '@poolhouse/core'
import { describe, expect, it, onTestFinished } from 'vitest'
import { everyServer } from '../support/every-server.js'
import { PID } from '../support/servers/test-server.js'

const TABLES = `
  create temp table parents (id int primary key);
  create temp table children (
    parent int references parents deferrable initially deferred, n int not null)`
const ORPHAN = { text: 'insert into children values ($1, 1)', values: [7] }
const two = (n: number): object => ({ status: 'fulfilled', value: { rows: [{ n }] } })
const failed = (code: string): object => ({
  status: 'rejected',
  reason: { name: 'DatabaseError', code, executed: 'rolled-back' },
})

describe.each(everyServer())(
  'statements in one piece over $driver on PostgreSQL $version',
  ({ make, cluster }) => {
    const openPool = async (options: Partial<PoolOptions> = {}): Promise<ConnectionPool> => {
      const { primary } = await cluster()
      const pool = createPool({ driver: make(), connection: primary.url, max: 1, ...options })
      onTestFinished(() => pool.close({ timeoutMs: 0 }))
      return pool
    }

    it.each([
      ['Parse', { text: 'selec $1', values: [1] }, '42601'],
      ['Bind', { text: 'select $1::int', values: ['one'] }, '22P02'],
      ['Execute', { text: 'select 1 / $1::int', values: [0] }, '22012'],
      ['Sync', ORPHAN, '23503'],
      ['a command of the simple protocol', 'select 1; select 1/0', '22012'],
    ])('each have their own answer when one fails at %s', async (_where, statement, code) => {
      const pool = await openPool()
      await pool.use(async (lease) => {
        await lease.query(TABLES)
        for (let round = 0; round < 2; round++) {
          const outcomes = await lease.batch([
            { text: 'select $1::int as n', values: [1] },
            statement,
            'select 2 as n',
            { text: 'select count(*)::int as n from children where parent > $1', values: [0] },
          ])
          expect(outcomes).toMatchObject([two(1), failed(code), two(2), two(0)])
        }
      })
      expect(pool.stats().counters.destroyed).toBe(0)
    })

    it('fail at COMMIT for what a transaction has deferred, and nothing of it stays', async () => {
      const pool = await openPool()
      await pool.use(async (lease) => {
        await lease.query(TABLES)
        const outcomes = await lease.batch([
          'begin',
          { text: 'insert into parents values ($1)', values: [1] },
          ORPHAN,
          'commit',
          'select count(*)::int as n from parents',
        ])
        expect(outcomes.slice(3)).toMatchObject([failed('23503'), two(0)])
      })
    })

    it('have rows of every form, and values of every length', async () => {
      const pool = await openPool()
      const texts = ['', 'é', 'x'.repeat(23), 'x'.repeat(24), '€'.repeat(25), '😀'.repeat(30_000)]
      const many = Array.from({ length: 65_533 }, (_, index) => (index === 0 ? null : index))
      await pool.use(async (lease) => {
        const outcomes = await lease.batch([
          { text: 'select $1::text[] as texts, $2::text as nothing', values: [texts, null] },
          { text: 'select 1 as n, null as m, 2 as n', rowMode: 'array' },
          { text: 'select $1::bytea as bytes', values: [Buffer.from([0, 255])] },
          '',
          { text: '-- nothing', values: [] },
          {
            text: `select num_nulls(${many.map((_, index) => `$${index + 1}::int`).join()}) as n`,
            values: many,
          },
          `do $$ begin raise notice 'between'; end $$`,
          { text: 'select $1::int as n', values: [3] },
        ])
        expect(outcomes).toMatchObject([
          { value: { rows: [{ nothing: null }] } },
          { value: { rows: [[1, null, 2]] } },
          { value: { rows: [{ bytes: Buffer.from([0, 255]) }] } },
          { value: { rows: [], command: '' } },
          { value: { rows: [], command: '' } },
          // A function takes at most 100 arguments.
          failed('54023'),
          { value: { command: 'DO' } },
          two(3),
        ])
        const [first] = outcomes as unknown as { value: { rows: { texts: unknown }[] } }[]
        expect(first!.value.rows[0]!.texts).toEqual(texts)
      })
    })

    it('are read with the columns that their tables have now', async () => {
      const pool = await openPool()
      const { primary } = await cluster()
      await primary.sql('create table if not exists changing (a int); truncate changing')
      await primary.sql('grant all on changing to public')
      await primary.sql('insert into changing values (1)')
      const statement = { text: 'select * from changing where a = $1', values: [1] }
      const named = { ...statement, name: 'changing_by_a' }
      await pool.use(async (lease) => {
        for (let round = 0; round < 8; round++) await lease.query(statement)
        await lease.query(named)
        await primary.sql('alter table changing add column b int')
        const outcomes = await lease.batch([statement, statement, 'select 1 as n'])
        const row = { a: 1, b: null }
        expect(outcomes).toMatchObject([
          { value: { rows: [row] } },
          { value: { rows: [row] } },
          two(1),
        ])
        await primary.sql('alter table changing add column c int')
        const all = { a: 1, b: null, c: null }
        expect(await lease.batch([named, 'select 1 as n'])).toMatchObject([
          { value: { rows: [all] } },
          two(1),
        ])
        expect((await lease.query(named)).rows).toEqual([all])
      })
      await primary.sql('drop table changing')
    })

    it('end with the session in their middle, and only those in doubt are', async () => {
      const pool = await openPool()
      const lease = await pool.acquire()
      const outcomes = await lease.batch([
        { text: 'select $1::int as n', values: [1] },
        'select pg_terminate_backend(pg_backend_pid()), pg_sleep(1)',
        { text: 'select $1::int as n', values: [2] },
        'select 3 as n',
      ])
      expect(outcomes[0]).toMatchObject(two(1))
      for (const outcome of outcomes.slice(1)) {
        expect(outcome).toMatchObject({
          status: 'rejected',
          reason: { retryable: expect.any(Boolean) },
        })
      }
      expect(outcomes[1]).toMatchObject({
        reason: { name: 'ConnectionLostError', executed: 'unknown' },
      })
      lease.release()
      expect((await pool.query('select 1 as n')).rows).toEqual([{ n: 1 }])
    })

    it('go one by one where one is a COPY, which keeps the session', async () => {
      const pool = await openPool()
      await pool.use(async (lease) => {
        const pid = (await lease.query(PID)).rows[0]
        const outcomes = await lease
          .batch(['select 1 as n', 'copy pg_am from stdin', 'select 2 as n'])
          .catch((error: unknown) => error)
        if (Array.isArray(outcomes)) {
          expect([outcomes[0], outcomes[2]]).toMatchObject([two(1), two(2)])
          expect(outcomes[1]).toMatchObject({ status: 'rejected' })
        } else expect(outcomes).toBeInstanceOf(Error)
        expect((await lease.query(PID)).rows).toEqual([pid])
      })
    })

    it('have a reset in front of the first, whatever becomes of it', async () => {
      const pool = await openPool({ reset: 'always' })
      for (const first of ['select 1 as n', 'select 1/0']) {
        await pool.query(`select set_config('app.note', 'left', false)`)
        await pool.use(async (lease) => {
          const outcomes = await lease.batch([
            first,
            `select coalesce(current_setting('app.note', true), '') as note`,
          ])
          expect(outcomes[1]).toMatchObject({ value: { rows: [{ note: '' }] } })
        })
      }
      expect(pool.stats().counters.destroyed).toBe(0)
    })

    it('are each cancelled at their own limit, and those behind run', async () => {
      const pool = await openPool()
      await pool.use(async (lease) => {
        const outcomes = await lease.batch(
          ['select 1 as n', 'select pg_sleep(30)', 'select 2 as n'],
          { timeoutMs: 150 },
        )
        expect(outcomes[0]).toMatchObject(two(1))
        expect(outcomes[1]).toMatchObject({
          status: 'rejected',
          reason: { name: 'StatementTimeoutError' },
        })
        expect((await lease.query('select 3 as n')).rows).toEqual([{ n: 3 }])
      })
      expect(pool.stats().counters.destroyed).toBe(0)
    })
  },
)
