import { type ConnectionPool, createPool, type Lease, type PoolOptions } from '@poolhouse/core'
import type { Client } from 'pg'
import type { Sql } from 'postgres'
import { describe, expect, it, onTestFinished } from 'vitest'
import { everyServer } from '../support/every-server.js'
import { failureOf } from '../support/failure-of.js'
import { PID } from '../support/servers/test-server.js'

const SEED = 'select setseed(0.5)'
// What random() draws first after that, to the digits that a double has.
const DRAWN = 'select random() as drawn'

/** Every way on which a statement reaches a session. */
const WAYS: readonly { way: string; run: (pool: ConnectionPool) => Promise<unknown> }[] = [
  { way: 'pool.query', run: (pool) => pool.query(SEED) },
  { way: 'pool.query with values', run: (pool) => pool.query('select setseed($1)', [0.5]) },
  { way: 'a lease', run: (pool) => pool.use((lease) => lease.query(SEED)) },
  { way: 'a transaction', run: (pool) => pool.transaction((tx) => tx.query(SEED)) },
  {
    way: 'a savepoint',
    run: (pool) => pool.transaction((tx) => tx.savepoint((inner) => inner.query(SEED))),
  },
  {
    way: 'a transaction that is rolled back',
    run: (pool) =>
      failureOf(
        pool.transaction(async (tx) => {
          await tx.query(SEED)
          throw new Error('no')
        }),
      ),
  },
  {
    way: 'a stream',
    run: async (pool) => {
      for await (const _row of pool.stream(SEED));
    },
  },
  {
    way: 'COPY',
    run: async (pool) => {
      for await (const _bytes of pool.copyTo(`copy (select setseed(0.5)::text) to stdout`));
    },
  },
  {
    way: 'several statements in one text',
    run: (pool) => pool.query(`select 1; ${SEED}; select 2`),
  },
  { way: 'SET', run: (pool) => pool.query('set seed = 0.5') },
  {
    way: 'a statement that fails behind it',
    run: (pool) => failureOf(pool.query('select setseed(0.5), 1 / (random() * 0)::int')),
  },
  {
    way: 'a statement that is aborted behind it',
    run: (pool) =>
      failureOf(
        pool.query('select setseed(0.5), pg_sleep(10)', [], { signal: AbortSignal.timeout(50) }),
      ),
  },
  {
    way: 'a statement that takes too long behind it',
    run: (pool) =>
      failureOf(pool.query('select setseed(0.5), pg_sleep(10)', [], { timeoutMs: 50 })),
  },
  {
    way: 'the raw client',
    run: (pool) => pool.use((lease) => onRaw(lease, SEED)),
  },
]

function onRaw(lease: Lease, text: string): Promise<unknown> {
  const raw = lease.raw as Client | Sql
  return Promise.resolve('unsafe' in raw ? raw.unsafe(text) : raw.query(text))
}

async function pidOf(pool: ConnectionPool): Promise<number> {
  return (await pool.query<{ pid: number }>(PID)).rows[0]!.pid
}

describe.each(everyServer())('over $driver on PostgreSQL $version', ({ make, cluster }) => {
  async function openPool(options: Partial<PoolOptions> = {}): Promise<ConnectionPool> {
    const { primary } = await cluster()
    const pool = createPool({ driver: make(), connection: primary.url, max: 1, ...options })
    onTestFinished(() => pool.close())
    return pool
  }

  async function drawnAfterSeed(): Promise<unknown> {
    const pool = await openPool()
    return await pool.use(async (lease) => {
      await lease.query(SEED)
      return (await lease.query(DRAWN)).rows[0]
    })
  }

  it.each(WAYS)(
    'T09: a session with a seed that came by $way ends with its borrower, and says why',
    async ({ run }) => {
      const pool = await openPool()
      const reasons: string[] = []
      pool.on('destroy', ({ reason }) => reasons.push(reason))
      const pid = await pidOf(pool)
      await run(pool)
      const { rows } = await pool.query(DRAWN)
      expect(rows[0]).not.toEqual(await drawnAfterSeed())
      expect(await pidOf(pool)).not.toBe(pid)
      expect(reasons).toEqual([expect.stringContaining('no reset undoes')])
    },
  )

  it.each([
    `load 'plpgsql'`,
    `select "setseed"(0.5)`,
    `select pg_create_physical_replication_slot('kept', false, true)`,
  ])('T09: a session ends with the borrower who ran %s', async (text) => {
    const pool = await openPool()
    const pid = await pidOf(pool)
    // Whether the role may is all the same: what was not seen to fail may have been done.
    await pool.query(text).catch(() => undefined)
    expect(await pidOf(pool)).not.toBe(pid)
  })

  it('T09: a caller that waits for the connection gets another one in its place', async () => {
    const pool = await openPool()
    const lease = await pool.acquire()
    const next = pool.query<{ pid: number }>(PID)
    const { rows } = await lease.query<{ pid: number }>(PID)
    await lease.query(SEED)
    lease.release()
    expect((await next).rows[0]!.pid).not.toBe(rows[0]!.pid)
  })

  it('T08: what a statement did that was run by its name does not reach the next borrower', async () => {
    const pool = await openPool()
    await pool.use(async (lease) => {
      const text = `select set_config('work_mem', $1, false)`
      await lease.query({ name: 'sets', text, values: ['1MB'] })
    })
    const pid = await pidOf(pool)
    await pool.query(`execute sets('2MB')`).catch(() => undefined)
    const { rows } = await pool.query('show work_mem')
    expect(rows).toEqual([{ work_mem: '4MB' }])
    expect(await pidOf(pool)).toBe(pid)
  })

  it('T08: what a statement prepared in SQL does that was run by its name ends with its borrower', async () => {
    const pool = await openPool()
    await pool.use(async (lease) => {
      await lease.query('prepare seeds as select setseed(0.5)')
      await lease.query('execute seeds')
    })
    expect((await pool.query(DRAWN)).rows[0]).not.toEqual(await drawnAfterSeed())
  })

  it('T08: a table in the session’s own schema, named by its number, does not reach the next borrower', async () => {
    const pool = await openPool()
    await pool.use(async (lease) => {
      await lease.query('create table pg_temp.first(n int)')
      const { rows } = await lease.query<{ name: string }>(
        'select pg_my_temp_schema()::regnamespace::text as name',
      )
      const name = rows[0]!.name
      await lease.query('discard temp')
      // As a borrower of its own would have it: nothing but this text tells of the table.
      lease.release()
      await pool.query(`create table ${name}.second(n int)`)
    })
    const { rows } = await pool.query(
      `select count(*)::int as n from pg_class where relname = 'second'`,
    )
    expect(rows).toEqual([{ n: 0 }])
  })

  it('T08: DO, CALL and EXECUTE are followed by a reset', async () => {
    const pool = await openPool()
    await pool.query(`do $$ begin perform set_config('app.tenant', 'acme', false); end $$`)
    const { rows } = await pool.query(
      `select coalesce(current_setting('app.tenant', true), '') as tenant`,
    )
    expect(rows).toEqual([{ tenant: '' }])
  })
})
