import { type ConnectionPool, createPool, type Lease, type PoolOptions } from '@poolhouse/core'
import pg, { type Client } from 'pg'
import type { Sql } from 'postgres'
import { describe, expect, it, onTestFinished } from 'vitest'
import { everyServer } from '../support/every-server.js'
import { failureOf } from '../support/failure-of.js'
import { PID } from '../support/servers/test-server.js'

const NOTE = `select set_config('app.note', 'late', false)`
const READ = `select coalesce(current_setting('app.note', true), '') as note`

function run(raw: unknown, text: string): Promise<unknown> {
  const client = raw as Client | Sql
  return Promise.resolve('unsafe' in client ? client.unsafe(text) : client.query(text))
}

/** Something that runs its own statement over `pg`'s connection. */
interface Wire {
  query(text: string): void
}

for (const { driver, version, make, cluster } of everyServer()) {
  const openPool = async (options: Partial<PoolOptions> = {}): Promise<ConnectionPool> => {
    const { primary } = await cluster()
    const pool = createPool({ driver: make(), connection: primary.url, max: 1, ...options })
    onTestFinished(() => pool.close())
    return pool
  }
  const noteOf = async (pool: ConnectionPool): Promise<unknown> =>
    (await pool.query<{ note: string }>(READ)).rows[0]!.note
  const takeRaw = async (pool: ConnectionPool): Promise<{ lease: Lease; raw: unknown }> => {
    const lease = await pool.acquire()
    return { lease, raw: lease.raw }
  }

  describe(`lease.raw over ${driver} on PostgreSQL ${version}`, () => {
    it('T13: refuses with LeaseReleasedError after its lease, and costs the next borrower nothing', async () => {
      const pool = await openPool()
      const { lease, raw } = await takeRaw(pool)
      await run(raw, 'select 1')
      lease.release()
      expect(await failureOf(run(raw, NOTE))).toMatchObject({ name: 'LeaseReleasedError' })
      const next = await pool.acquire()
      expect(await failureOf(run(raw, NOTE))).toMatchObject({ name: 'LeaseReleasedError' })
      expect((await next.query(READ)).rows).toEqual([{ note: '' }])
      next.release()
      expect(await noteOf(pool)).toBe('')
      expect(pool.stats().counters.destroyed).toBe(0)
    })

    it('T13: refuses an earlier borrower while a later one has his own', async () => {
      const pool = await openPool()
      const first = await takeRaw(pool)
      first.lease.release()
      const second = await takeRaw(pool)
      expect(await failureOf(run(first.raw, NOTE))).toMatchObject({ name: 'LeaseReleasedError' })
      await run(second.raw, 'select 1')
      expect((await second.lease.query(READ)).rows).toEqual([{ note: '' }])
      second.lease.release()
      expect(pool.stats().counters.destroyed).toBe(0)
    })

    it('T13: what was begun before the lease ended is over before the session is lent again', async () => {
      const pool = await openPool()
      const { lease, raw } = await takeRaw(pool)
      const begun = run(raw, `select pg_sleep(0.2), set_config('app.note', 'late', false)`)
      // postgres.js sends a query a tick after it is awaited.
      await Promise.resolve()
      await Promise.resolve()
      lease.release()
      expect(await noteOf(pool)).toBe('')
      await begun
      expect(await noteOf(pool)).toBe('')
    })

    it('T13: is the same object for the whole lease, and another one for the next', async () => {
      const pool = await openPool()
      const { lease, raw } = await takeRaw(pool)
      expect(lease.raw).toBe(raw)
      lease.release()
      const next = await takeRaw(pool)
      expect(next.raw === raw).toBe(false)
      next.lease.release()
    })
  })

  describe(`what a borrower changes of raw over ${driver} on PostgreSQL ${version}`, () => {
    const rowsOf = async (raw: unknown): Promise<unknown> => {
      const result = await run(raw, 'select 1 as n')
      return Array.isArray(result) ? [...(result as unknown[])] : (result as { rows: unknown }).rows
    }
    const evil = (): never => {
      throw new Error('it was changed')
    }
    const method = driver === 'nodePostgres' ? 'query' : 'unsafe'
    const changes: Record<string, (raw: Record<string, unknown>) => void> = {
      'a method that is set': (raw) => {
        raw[method] = evil
      },
      'a method that is defined': (raw) => {
        Object.defineProperty(raw, method, { value: evil, configurable: true, writable: true })
      },
      'a method that is deleted': (raw) => {
        delete raw[method]
      },
      'a type parser': (raw) => {
        if (driver === 'nodePostgres') (raw as unknown as Client).setTypeParser(23, evil)
        else (raw as unknown as Sql).options.parsers[23] = evil
      },
    }
    it.each(Object.keys(changes))('T13: %s is that of no later borrower', async (what) => {
      const pool = await openPool()
      const { lease, raw } = await takeRaw(pool)
      changes[what]!(raw as Record<string, unknown>)
      lease.release()
      await pool.use(async (next) => {
        expect(await rowsOf(next.raw)).toEqual([{ n: 1 }])
        expect((await next.query('select 1 as n')).rows).toEqual([{ n: 1 }])
      })
      expect(pool.stats().counters.destroyed).toBe(1)
      const { lease: former, raw: late } = await takeRaw(pool)
      former.release()
      expect(() => changes[what]!(late as Record<string, unknown>)).toThrow('released')
      await pool.use(async (next) => expect(await rowsOf(next.raw)).toEqual([{ n: 1 }]))
      expect(pool.stats().counters.destroyed).toBe(1)
    })
  })

  if (driver === 'nodePostgres') {
    describe(`what hangs on a pg.Client on PostgreSQL ${version}`, () => {
      it('T13: is a pg.Client that takes promises, callbacks and query objects', async () => {
        const pool = await openPool()
        const { lease, raw } = await takeRaw(pool)
        const client = raw as Client
        expect(client).toBeInstanceOf(pg.Client)
        expect((await client.query('select 1 as n')).rows).toEqual([{ n: 1 }])
        const called = await new Promise((resolve, reject) => {
          client.query('select $1::int as n', [2], (error, result) =>
            error ? reject(error) : resolve(result.rows),
          )
        })
        expect(called).toEqual([{ n: 2 }])
        lease.release()
        const late = await new Promise((resolve) => {
          void client.query('select 1', (error) => resolve(error))
        })
        expect(late).toMatchObject({ name: 'LeaseReleasedError' })
        expect(pool.stats().counters.destroyed).toBe(0)
      })

      it('T13: a method that was kept, bound or borrowed from the prototype refuses as well', async () => {
        const pool = await openPool()
        const { lease, raw } = await takeRaw(pool)
        const client = raw as Client
        const query = client.query.bind(client)
        lease.release()
        expect(await failureOf(query(NOTE))).toMatchObject({ name: 'LeaseReleasedError' })
        expect(() => Reflect.apply(pg.Client.prototype.query, client, [NOTE])).toThrow('released')
        expect(() => client.on('notice', () => undefined)).toThrow('released')
        expect(() => client.off('notice', () => undefined)).not.toThrow()
        expect(await noteOf(pool)).toBe('')
      })

      it('T13: the session ends with a borrower who took the connection under the client', async () => {
        const pool = await openPool()
        const pid = (await pool.query(PID)).rows[0]
        const { lease, raw } = await takeRaw(pool)
        const { connection } = raw as unknown as { connection: Wire }
        lease.release()
        expect((await pool.query(PID)).rows[0]).not.toEqual(pid)
        connection.query(NOTE)
        expect(await noteOf(pool)).toBe('')
      })

      it('T13: the session is broken when the real client or the connection is used that a listener or a query object kept', async () => {
        for (const use of [
          (client: Client) => void client.query(NOTE).catch(() => undefined),
          (client: Client) => (client as unknown as { connection: Wire }).connection.query(NOTE),
        ]) {
          const pool = await openPool()
          const { lease, raw } = await takeRaw(pool)
          let real: Client | undefined
          ;(raw as Client).on('notice', function (this: Client) {
            real = this
          })
          await lease.query(`do $$ begin raise notice 'here'; end $$`)
          lease.release()
          await pool.query('select 1')
          use(real!)
          // A borrower of the session at that moment loses it before anything is sent. A call that
          // would have shared it takes another one.
          const outcome = await pool.query('select 1').catch((error) => error)
          if (outcome instanceof Error) expect(outcome).toMatchObject({ executed: 'no' })
          expect(await noteOf(pool)).toBe('')
          expect(pool.stats().counters.destroyed).toBe(1)
        }
      })
    })
  } else {
    describe(`what hangs on an instance of postgres.js on PostgreSQL ${version}`, () => {
      it('T13: tagged templates, unsafe, fragments and notify are as ever during the lease', async () => {
        const pool = await openPool()
        const { lease, raw } = await takeRaw(pool)
        const sql = raw as Sql
        expect([...(await sql`select ${1}::int as n, ${sql.unsafe('2')} as m`)]).toEqual([
          { n: 1, m: 2 },
        ])
        expect([
          ...(await sql`select * from ${sql('pg_am')} where ${sql`amname = 'heap'`}`),
        ]).toHaveLength(1)
        await sql.notify('unheard', 'news')
        lease.release()
        expect(await failureOf(sql.notify('unheard', 'news'))).toMatchObject({
          name: 'LeaseReleasedError',
        })
      })

      it('T13: a query that was written before the end of the lease and awaited after it refuses', async () => {
        const pool = await openPool()
        const { lease, raw } = await takeRaw(pool)
        const sql = raw as Sql
        const lazy = sql.unsafe(NOTE)
        const begun = sql.unsafe(NOTE).execute()
        lease.release()
        expect(await failureOf(lazy)).toMatchObject({ name: 'LeaseReleasedError' })
        expect(await failureOf(begun)).toMatchObject({ name: 'LeaseReleasedError' })
        expect(await noteOf(pool)).toBe('')
        expect(pool.stats().counters.destroyed).toBe(0)
      })

      it('T13: a query that is cancelled after the lease cancels nothing of the next borrower', async () => {
        const pool = await openPool()
        const { lease, raw } = await takeRaw(pool)
        const query = (raw as Sql).unsafe('select 1')
        await query
        lease.release()
        const next = pool.query('select pg_sleep(0.2)')
        query.cancel()
        await next
      })
    })
  }
}
