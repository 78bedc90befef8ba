import type { ConnectionPool, Lease } from '@poolhouse/core'
import { startWireServer } from '@poolhouse/testkit'
import type { Client } from 'pg'
import type { Sql } from 'postgres'
import { describe, expect, it } from 'vitest'
import { DRIVERS, PG } from '../support/drivers.js'
import { failureOf } from '../support/failure-of.js'
import { guardProcess } from '../support/process-guards.js'
import { PID, testServer } from '../support/servers/test-server.js'

guardProcess()
const server = testServer()

/**
 * Everything that a session can carry to its next borrower, as one row that is the same for every
 * fresh session. Its own text must not hold a word that makes the pool reset the session: it is run
 * before the connection is given back.
 */
const STATE = `
  select current_setting('work_mem') as work_mem,
    current_setting('search_path') as search_path,
    current_setting('default_transaction_read_only') as read_only,
    current_setting('application_name') as application_name,
    coalesce(current_setting('app.tenant', true), '') as tenant,
    current_user::text as role,
    session_user::text as login,
    (select count(*)::int from pg_class where relnamespace = pg_my_temp_schema() and relkind = 'r') as tables,
    (select count(*)::int from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()) as locks,
    (select count(*)::int from pg_prepared_statements where from_sql) as prepared,
    (select count(*)::int from pg_listening_channels()) as channels,
    (select count(*)::int from pg_cursors where name <> '') as cursors`

interface Kind {
  readonly what: string
  readonly change: (lease: Lease) => Promise<unknown>
}

const sql =
  (...texts: string[]) =>
  async (lease: Lease): Promise<void> => {
    for (const text of texts) await lease.query(text)
  }

const KINDS: readonly Kind[] = [
  { what: 'a setting', change: sql(`set work_mem = '64MB'`) },
  { what: 'the search path', change: sql('set search_path = pg_catalog') },
  { what: 'a role', change: sql('set role pg_monitor') },
  {
    what: 'a tenant key for row level security',
    change: (lease) => lease.query(`select set_config($1, $2, false)`, ['app.tenant', 'acme']),
  },
  { what: 'a temporary table', change: sql('create temp table scratch(n int)') },
  { what: 'a table in the schema pg_temp', change: sql('create table pg_temp.scratch(n int)') },
  {
    what: 'a tenant key set through a quoted name',
    change: sql(`select "set_config"('app.tenant', 'acme', false)`),
  },
  {
    what: 'a table in the quoted schema pg_temp',
    change: sql('create table "pg_temp"."scratch"(n int)'),
  },
  {
    what: 'a setting changed through the view',
    change: sql(`update pg_settings set setting = '65536' where name = 'work_mem'`),
  },
  {
    what: 'a lock taken through a name in Unicode escapes',
    change: sql(`select U&"pg\\005fadvisory\\005flock"(42)`),
  },
  { what: 'a statement prepared in SQL', change: sql(`prepare mine as select 'secret'`) },
  { what: 'an advisory lock', change: sql('select pg_advisory_lock(42)') },
  { what: 'a shared advisory lock', change: sql('select pg_try_advisory_lock_shared(42)') },
  { what: 'a LISTEN', change: sql('listen news') },
  {
    what: 'a cursor WITH HOLD',
    change: sql('begin', 'declare c cursor with hold for select 1', 'commit'),
  },
  { what: 'read-only mode', change: sql('set default_transaction_read_only = on') },
  {
    what: 'read-only mode by SET SESSION CHARACTERISTICS',
    change: sql('set session characteristics as transaction read only'),
  },
  {
    what: 'a setting changed inside DO',
    change: sql(`do $$ begin perform set_config('work_mem', '64MB', false); end $$`),
  },
  {
    what: 'a setting changed in one text of several statements',
    change: sql(`select 1; set work_mem = '64MB'; select 2`),
  },
  {
    what: 'what the server reports and no text shows',
    change: sql('select poolhouse_test_rename()'),
  },
  {
    what: 'what was done on the raw client',
    change: async (lease) => {
      const raw = lease.raw as Client | Sql
      const text = `set work_mem = '64MB'; listen news`
      await ('unsafe' in raw ? raw.unsafe(text) : raw.query(text))
    },
  },
]

async function stateOf(pool: ConnectionPool): Promise<unknown> {
  return (await pool.query(STATE)).rows[0]
}

async function pidOf(pool: ConnectionPool): Promise<number> {
  return (await pool.query<{ pid: number }>(PID)).rows[0]!.pid
}

async function prepareServer(): Promise<void> {
  await server.sql('grant pg_monitor to app')
  // Its text says nothing about settings; the server reports that application_name has changed.
  await server.sql(`create or replace function poolhouse_test_rename() returns text language sql
    as $$ select set_config('application_name', 'another application', false) $$`)
}

describe('over nodePostgres alone', () => {
  it('X01: the raw client keeps no listener of its borrower', async () => {
    const pool = server.poolsOver(PG.make())({ max: 1 })
    const heard: unknown[] = []
    await pool.use(async (lease) => {
      const raw = lease.raw as Client
      raw.on('notice', (notice) => heard.push(notice.message))
      raw.once('notification', (notification) => heard.push(notification))
      await lease.query(`do $$ begin raise notice 'mine'; end $$`)
    })
    await pool.query(`do $$ begin raise notice 'theirs'; end $$`)
    expect(heard).toEqual(['mine'])
    expect(pool.stats().counters.destroyed).toBe(0)
  })
})

describe.each(DRIVERS)('over $driver', ({ make }) => {
  const openPool = server.poolsOver(make())

  describe('a connection that comes back with changed session state', () => {
    it('X01: is not reset because of how this suite looks at it', () => {
      expect(STATE).not.toMatch(/\b(?:set_config|temp|temporary|pg_temp|pg_advisory_lock)\b/)
    })

    it.each(KINDS)('X01: does not show $what to its next borrower', async ({ change }) => {
      await prepareServer()
      const pool = openPool({ max: 1 })
      const fresh = await stateOf(pool)
      const pid = await pidOf(pool)
      await pool.use(async (lease) => {
        await change(lease)
        const { rows } = await lease.query(STATE)
        expect(rows[0]).not.toEqual(fresh)
      })
      expect(await stateOf(pool)).toEqual(fresh)
      // The state was reset, not the connection thrown away.
      expect(await pidOf(pool)).toBe(pid)
      expect(pool.stats().counters.destroyed).toBe(0)
    })

    it('X01: forgets the session user, or is replaced', async () => {
      await server.sql('drop role if exists poolhouse_admin')
      await server.sql('create role poolhouse_admin superuser login')
      const url = server.url.replace(/\/\/[^@]*@/, '//poolhouse_admin@')
      const pool = openPool({ max: 1, connection: url })
      await pool.use((lease) => lease.query('set session authorization app'))
      expect(await stateOf(pool)).toMatchObject({
        login: 'poolhouse_admin',
        role: 'poolhouse_admin',
      })
    })

    it('X01: keeps its prepared statements valid through a reset', async () => {
      const pool = openPool({ max: 1, prepare: 'off' })
      const statement = { name: 'add', text: 'select $1::int + 1 as n' }
      const before = await pool.query<{ n: number }>({ ...statement, values: [1] })
      await pool.use(sql(`set work_mem = '64MB'`, 'create temp table scratch(n int)'))
      const after = await pool.query<{ n: number }>({ ...statement, values: [2] })
      expect([before.rows[0]!.n, after.rows[0]!.n]).toEqual([2, 3])
      const known = await pool.query<{ n: number }>(
        `select count(*)::int as n from pg_prepared_statements where name = 'add'`,
      )
      expect(known.rows[0]!.n).toBe(1)
      expect(pool.stats().counters.created).toBe(1)
    })

    it('X01: does not run a statement prepared in SQL under a name for another borrower’s text', async () => {
      const pool = openPool({ max: 1 })
      await pool.use(sql('prepare mine as select 1 as theirs'))
      const { rows } = await pool.query({ name: 'mine', text: 'select 2 as ours' }).catch(() =>
        // A name that is taken is refused; that is an answer, another text's rows are not.
        ({ rows: [] }),
      )
      for (const row of rows) expect(row).toEqual({ ours: 2 })
    })

    it('X01: costs nothing when nothing was changed', async () => {
      const pool = openPool({ max: 1 })
      await pool.use((lease) => lease.query('select 1'))
      const last = `select query from pg_stat_activity where usename = 'app' and state = 'idle'`
      expect(await server.sql(last)).toEqual([{ query: 'select 1' }])
    })

    it('X01: is destroyed when its reset fails or is not answered within two seconds', async () => {
      for (const reaction of [
        { hang: true },
        { error: { code: '53200', message: 'out of memory' } },
      ] as const) {
        await using wire = await startWireServer({
          onStatement: (text) => (text.startsWith('RESET SESSION') ? reaction : undefined),
        })
        const pool = openPool({ connection: wire.url, max: 1 })
        const lease = await pool.acquire()
        await lease.query(`set work_mem = '64MB'`)
        lease.release()
        const next = await pool.acquire()
        expect(next.connection).not.toBe(lease.connection)
        next.release()
        expect(pool.stats().counters.destroyed).toBe(1)
      }
    })
  })

  describe('a connection that comes back inside a transaction', () => {
    it('X02: is rolled back and handed on outside of it', async () => {
      const pool = openPool({ max: 1 })
      await server.sql('drop table if exists x02')
      await pool.query('create table x02(id int primary key)')
      const pid = await pidOf(pool)
      const lease = await pool.acquire()
      await lease.query('begin')
      await lease.query('insert into x02 values (1)')
      lease.release()
      const { rows } = await pool.query(
        `select (select count(*)::int from x02) as rows, now() = statement_timestamp() as outside`,
      )
      expect(rows[0]).toEqual({ rows: 0, outside: true })
      expect(await pidOf(pool)).toBe(pid)
    })

    it('X02: is rolled back when the transaction has failed, instead of failing its next borrower with 25P02', async () => {
      const pool = openPool({ max: 1 })
      const pid = await pidOf(pool)
      const lease = await pool.acquire()
      await lease.query('begin')
      expect(await failureOf(lease.query('select 1/0'))).toMatchObject({ code: '22012' })
      lease.release()
      expect(await pidOf(pool)).toBe(pid)
    })

    it('X02: is told apart by the server’s status and not by the text, which may hide BEGIN in several statements', async () => {
      const pool = openPool({ max: 1 })
      const pid = await pidOf(pool)
      const lease = await pool.acquire()
      await lease.query('/* report */ select 1; begin; select 2')
      lease.release()
      expect(await pidOf(pool)).toBe(pid)
      expect(await server.sessions(`state like 'idle in transaction%'`)).toBe(0)
    })
  })

  describe('a tenant key that is local to a transaction', () => {
    it('X03: is the empty string, not null, for everybody after COMMIT', async () => {
      const pool = openPool({ max: 1 })
      const read = `select current_setting('app.tenant', true) as tenant`
      const inside = await pool.transaction(async (tx) => {
        await tx.query(`select set_config('app.tenant', $1, true)`, ['acme'])
        return (await tx.query(read)).rows[0]
      })
      expect(inside).toEqual({ tenant: 'acme' })
      const lease = await pool.acquire()
      const after = (await lease.query(read)).rows[0]
      lease.release()
      expect(after).toEqual({ tenant: '' })
      expect(pool.stats().counters.created).toBe(1)
    })
  })

  describe('statements that are repeated', () => {
    const repeat = async (pool: ConnectionPool, times: number): Promise<unknown[]> => {
      const seen: unknown[] = []
      for (let i = 0; i < times; i++) {
        seen.push((await pool.query<{ n: number }>('select $1::int + 40 as n', [i])).rows[0]!.n)
      }
      return seen
    }
    const prepared = `select count(*)::int as n from pg_prepared_statements where statement like 'select $1::int + 40%'`

    it('are prepared by the pool from their third use on, and survive the reset of their session', async () => {
      const pool = openPool({ max: 1 })
      await repeat(pool, 2)
      expect((await pool.query(prepared)).rows).toEqual([{ n: 0 }])
      await repeat(pool, 1)
      expect((await pool.query(prepared)).rows).toEqual([{ n: 1 }])
      await pool.use(sql(`set work_mem = '64MB'`))
      expect(await repeat(pool, 3)).toEqual([40, 41, 42])
      expect((await pool.query(prepared)).rows).toEqual([{ n: 1 }])
    })

    it('are not prepared with prepare: "off"', async () => {
      const pool = openPool({ max: 1, prepare: 'off' })
      await repeat(pool, 6)
      expect((await pool.query(prepared)).rows).toEqual([{ n: 0 }])
    })

    it('go on when the table under them changes and when the server forgets them', async () => {
      const pool = openPool({ max: 1 })
      await server.sql('drop table if exists changing')
      await pool.query('create table changing(id int)')
      await pool.query('insert into changing values (1)')
      const read = async () =>
        (await pool.query('select * from changing where id = $1', [1])).rows[0]
      for (let i = 0; i < 5; i++) expect(await read()).toEqual({ id: 1 })
      await pool.query('alter table changing add column name text default $$x$$')
      expect(await read()).toEqual({ id: 1, name: 'x' })
      await pool.use(sql('deallocate all'))
      expect(await read()).toEqual({ id: 1, name: 'x' })
    })
  })
})
