import type { LeakEvent, ReleaseEvent, Transaction } from '@poolhouse/core'
import { describe, expect, it } from 'vitest'
import { startChild } from '../children/child-script.js'
import { DRIVERS } from '../support/drivers.js'
import { failureOf } from '../support/failure-of.js'
import { guardProcess } from '../support/process-guards.js'
import { PID, testServer } from '../support/servers/test-server.js'
import { until } from '../support/until.js'

guardProcess()
const server = testServer()

describe.each(DRIVERS)('over $driver', ({ driver, make }) => {
  const openPool = server.poolsOver(make())

  describe('a lease that has ended', () => {
    it('F49: is told apart when it is released again, and its new holder is not disturbed', async () => {
      const pool = openPool({ max: 1 })
      const events: ReleaseEvent[] = []
      pool.on('release', (event) => events.push(event))
      const first = await pool.acquire()
      first.release()
      const second = await pool.acquire()
      await second.query('begin')
      first.release()
      first.destroy('late')
      // Not in another caller's hands, and still inside its transaction.
      expect(pool.tryAcquire()).toBeUndefined()
      expect((await second.query(`select now() = statement_timestamp() as first`)).rows).toEqual([
        { first: false },
      ])
      await second.query('commit')
      second.release()
      await until(() => events.length === 4, 'the events')
      expect(events.map(({ again = false }) => again)).toEqual([false, true, true, false])
      expect(pool.stats().counters).toMatchObject({ acquired: 2, released: 2, destroyed: 0 })
    })

    it('F50: refuses every use, while its connection serves another caller', async () => {
      const pool = openPool({ max: 1 })
      const first = await pool.acquire()
      first.release()
      const second = await pool.acquire()
      expect(await failureOf(first.query('select 1'))).toMatchObject({
        name: 'LeaseReleasedError',
        executed: 'no',
      })
      expect(() => first.raw).toThrow(expect.objectContaining({ name: 'LeaseReleasedError' }))
      expect(first.signal.aborted).toBe(true)
      expect((await second.query('select 1 as n')).rows).toEqual([{ n: 1 }])
      second.release()
    })

    it('F50: fails what had not been sent yet, and lets the statement in flight have no successor', async () => {
      const pool = openPool({ max: 1 })
      await server.sql('drop table if exists f50')
      await pool.query('create table f50(id int)')
      const lease = await pool.acquire()
      const running = lease.query('select pg_sleep(30)').catch((error: Error) => error)
      const queued = failureOf(lease.query('insert into f50 values (1)'))
      const sleeping = `state = 'active' and query = 'select pg_sleep(30)'`
      // A cancel request that overtakes its statement finds nothing to cancel.
      await until(async () => (await server.sessions(sleeping)) === 1, 'the statement to run')
      lease.release()
      expect(await queued).toMatchObject({ name: 'LeaseReleasedError', executed: 'no' })
      // The connection was not lent before the statement was cancelled and over.
      expect((await pool.query('select count(*)::int as n from f50')).rows).toEqual([{ n: 0 }])
      expect(await running).toMatchObject({ code: '57014' })
      expect(pool.stats().counters.created).toBe(1)
    })
  })

  describe('a lease that is never released', () => {
    it('F51: is reported after the threshold, once, with the stack of its borrower and its last statement', async () => {
      const pool = openPool({ max: 2, leakWarningMs: 200 })
      const leaks: LeakEvent[] = []
      pool.on('leak', (event) => leaks.push(event))
      const forgetful = () => pool.acquire()
      const lease = await forgetful()
      await lease.query('select $1::text as secret', ['hunter2'])
      await until(() => leaks.length > 0, 'a leak event')
      const [leak] = leaks
      expect(leak).toMatchObject({
        pool: 'test',
        collected: false,
        statement: 'select $1::text as secret',
      })
      expect(leak!.heldMs).toBeGreaterThanOrEqual(200)
      expect(leak!.stack).toContain('forgetful')
      expect(JSON.stringify(leak)).not.toContain('hunter2')
      expect(pool.inspect().leases[0]!.stack).toContain('leases.test.ts')
      // A warning and nothing more: the lease still works, and another round does not warn again.
      await new Promise((resolve) => setTimeout(resolve, 1_200))
      expect(leaks).toHaveLength(1)
      expect((await lease.query('select 1 as n')).rows).toEqual([{ n: 1 }])
      expect(pool.stats().counters.leaks).toBe(1)
      lease.release()
    })

    it('F51: is rolled back and taken back when the garbage collector has taken the lease object', async () => {
      await server.sql('drop table if exists leaked')
      await server.sql('create table leaked(id int)')
      await server.sql('grant all on leaked to app')
      const child = startChild('leaking-child', [server.url, driver], ['--expose-gc'])
      const report = JSON.parse(await child.said('{')) as Record<string, unknown>
      expect(report).toEqual({
        collected: true,
        statement: 'insert into leaked values (1)',
        where: true,
        sameConnection: true,
        rows: 0,
        created: 1,
        leaks: 1,
      })
      expect(await child.ended).toBe(0)
    })
  })

  describe('a transaction whose work throws', () => {
    it('F52: is rolled back; the caller gets the same error and the connection is kept', async () => {
      const pool = openPool({ max: 1 })
      await server.sql('drop table if exists f52')
      await pool.query('create table f52(id int primary key)')
      const { pid } = (await pool.query<{ pid: number }>(PID)).rows[0]!
      const own = new Error('no stock')
      const error = await failureOf<Error>(
        pool.transaction(async (tx) => {
          await tx.query('insert into f52 values (1)')
          throw own
        }),
      )
      expect(error).toBe(own)
      // A database error, the same way, though the transaction is in the failed state.
      expect(
        await failureOf(
          pool.transaction(async (tx) => {
            await tx.query('insert into f52 values (2)')
            await tx.query('insert into f52 values (2)')
          }),
        ),
      ).toMatchObject({ name: 'DatabaseError', code: '23505', executed: 'rolled-back' })
      expect((await pool.query('select count(*)::int as n from f52')).rows).toEqual([{ n: 0 }])
      expect((await pool.query(PID)).rows).toEqual([{ pid }])
    })

    it('F52: rolls back although the work throws before its first await', async () => {
      const pool = openPool({ max: 1 })
      const own = new Error('at once')
      const work = (): Promise<never> => {
        throw own
      }
      expect(await failureOf<Error>(pool.transaction(work))).toBe(own)
      expect(await failureOf<Error>(pool.use(work))).toBe(own)
      expect(await server.sessions(`state like 'idle in transaction%'`)).toBe(0)
      expect(pool.stats()).toMatchObject({ idle: 1, counters: { created: 1, destroyed: 0 } })
    })
  })

  describe('a query that was not awaited', () => {
    it('F53: is refused after the end of the transaction', async () => {
      const pool = openPool({ max: 1 })
      await server.sql('drop table if exists f53')
      await pool.query('create table f53(id int)')
      let kept: Transaction | undefined
      await pool.transaction(async (tx) => {
        kept = tx
        await tx.query('insert into f53 values (1)')
      })
      const late = await failureOf(kept!.query('insert into f53 values (2)'))
      expect(late).toMatchObject({ name: 'TransactionError', executed: 'no' })
      expect(late.message).toContain('await every query inside the callback')
      expect((await pool.query('select id from f53')).rows).toEqual([{ id: 1 }])
    })

    it('F53: that was sent before the end belongs to the transaction and is committed with it', async () => {
      const pool = openPool({ max: 1 })
      await server.sql('drop table if exists f53b')
      await pool.query('create table f53b(id int)')
      let floating: Promise<unknown> | undefined
      await pool.transaction(async (tx) => {
        floating = tx.query('insert into f53b values (1)')
      })
      await floating
      expect((await pool.query('select id from f53b')).rows).toEqual([{ id: 1 }])
    })

    it('F53: never runs outside its transaction, even when the work throws with it in flight', async () => {
      const pool = openPool({ max: 1 })
      await server.sql('drop table if exists f53c')
      await pool.query('create table f53c(id int)')
      const floating: Promise<unknown>[] = []
      const own = new Error('gave up')
      expect(
        await failureOf<Error>(
          pool.transaction(async (tx) => {
            floating.push(
              tx.query('select pg_sleep(30)').catch((e: Error) => e),
              tx.query('insert into f53c values (1)').catch((e: Error) => e),
            )
            throw own
          }),
        ),
      ).toBe(own)
      for (const outcome of await Promise.all(floating)) expect(outcome).toBeInstanceOf(Error)
      expect((await pool.query('select id from f53c')).rows).toEqual([])
      expect(await server.sessions(`state like 'idle in transaction%'`)).toBe(0)
    })
  })
})
