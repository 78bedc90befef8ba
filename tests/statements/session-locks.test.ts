import { type ConnectionPool, createPool, SessionStateError } from '@poolhouse/core'
import { describe, expect, it, onTestFinished } from 'vitest'
import { everyServer } from '../support/every-server.js'
import { failureOf } from '../support/failure-of.js'

const REFUSED: readonly string[] = [
  'select pg_advisory_lock(7)',
  'select PG_ADVISORY_LOCK_shared(7, 8)',
  'select pg_try_advisory_lock(7)',
  'select pg_catalog.pg_try_advisory_lock_shared(7)',
  'select "pg_catalog" . "pg_advisory_lock" /* x */ (7)',
  'select U&"pg\\005fadvisory\\005flock"(7)',
  `select U&"pg!005fadvisory!005flock" uescape '!' (7)`,
  'select (7::bigint).pg_advisory_lock',
  'select ((7::bigint))."pg_advisory_lock"',
  'select (array[7::bigint])[1].pg_advisory_lock',
  'select * from pg_advisory_lock(7)',
  'with l as (select pg_advisory_lock(7)) select * from l',
  'values (pg_advisory_lock(7)::text)',
  'select 1; -- x\rselect pg_advisory_lock(7)',
  "select e'a'\n'\\'', pg_advisory_lock(7)",
  'explain analyze select pg_advisory_lock(7)',
  'select pg_advisory_unlock(7)',
  'select pg_advisory_unlock_shared(7)',
  'select pg_advisory_unlock_all()',
]

const ALLOWED: readonly string[] = [
  'select pg_advisory_xact_lock(7)',
  'select pg_try_advisory_xact_lock(7)',
  `select 'pg_advisory_lock(7)'`,
  'select $$pg_advisory_lock(7)$$ -- pg_advisory_lock(7)\r/* pg_advisory_lock(7) */',
  'select pg_advisory_lock from (select 1 as pg_advisory_lock) as t',
  'select * from (values (1)) as pg_advisory_lock (a)',
  'with pg_advisory_lock (a) as (select 1) select * from pg_advisory_lock',
  'with x as (select 1), pg_advisory_lock (a) as (select 1) select * from pg_advisory_lock',
  'explain select pg_advisory_lock(7)',
]

// Locks of all sessions, so that one left behind anywhere is found.
const HELD = `select count(*)::int as held from pg_locks where locktype = 'advisory'`

describe.each(everyServer())('over $driver on PostgreSQL $version', ({ make, cluster }) => {
  async function openPool(): Promise<ConnectionPool> {
    const { primary } = await cluster()
    const pool = createPool({ driver: make(), connection: primary.url, max: 1 })
    onTestFinished(() => pool.close())
    return pool
  }

  it('T19: a lock of the session is refused where it would be gone with the call, and the message says what to use', async () => {
    const pool = await openPool()
    for (const text of REFUSED) {
      const error = await failureOf(pool.query(text))
      expect(error, text).toBeInstanceOf(SessionStateError)
      expect(error).toMatchObject({ code: 'POOLHOUSE_SESSION_STATE', executed: 'no' })
      expect(error.message).toContain('pg_advisory_xact_lock() in pool.transaction(work)')
      expect(error.message).toContain('pool.use(work)')
      const stream = failureOf(pool.stream(text).next())
      expect(await stream, text).toBeInstanceOf(SessionStateError)
    }
    const copyOut = pool.copyTo('copy (select pg_advisory_lock(7)::text) to stdout')
    expect(await failureOf(copyOut.next())).toBeInstanceOf(SessionStateError)
    const copyIn = pool.copyFrom('copy t from stdin where pg_try_advisory_lock(a)', [])
    expect(await failureOf(copyIn)).toBeInstanceOf(SessionStateError)
    expect((await pool.query(HELD)).rows).toEqual([{ held: 0 }])
    expect(pool.stats().counters).toMatchObject({ created: 1, destroyed: 0 })
  })

  it('T19: in use, in a lease and in a transaction it is taken and held, by every spelling', async () => {
    const pool = await openPool()
    for (const text of REFUSED.filter((one) => one.includes('lock') && !one.includes('un'))) {
      await pool.use(async (lease) => {
        await lease.query(text)
        expect((await lease.query(HELD)).rows, text).toEqual([{ held: 1 }])
      })
      // What was held ends with its borrower.
      expect((await pool.query(HELD)).rows, text).toEqual([{ held: 0 }])
    }
    await pool.transaction(async (tx) => {
      await tx.query('select pg_advisory_lock(7)')
      expect((await tx.query(HELD)).rows).toEqual([{ held: 1 }])
      await tx.query('select pg_advisory_unlock(7)')
    })
  })

  it('T19: locks of a transaction, strings, comments, columns and tables of the name pass', async () => {
    const pool = await openPool()
    for (const text of ALLOWED) await pool.query(text)
    await pool.query('create table if not exists pg_advisory_lock (pg_advisory_unlock int)')
    await pool.query('insert into pg_advisory_lock (pg_advisory_unlock) values (1)')
    await pool.query('select pg_advisory_unlock from pg_advisory_lock')
    await pool.query('update pg_advisory_lock set pg_advisory_unlock = 2')
    await pool.query('drop table pg_advisory_lock')
    expect((await pool.query(HELD)).rows).toEqual([{ held: 0 }])
  })
})
