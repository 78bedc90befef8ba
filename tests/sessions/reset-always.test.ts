import { connect, createServer } from 'node:net'
import { setImmediate } from 'node:timers/promises'
import { type ConnectionPool, createPool, type PoolOptions } from '@poolhouse/core'
import type { ClusterNode } from '@poolhouse/testkit'
import type { Client } from 'pg'
import type { Sql } from 'postgres'
import { describe, expect, it, onTestFinished } from 'vitest'
import { everyServer } from '../support/every-server.js'
import { failureOf } from '../support/failure-of.js'
import { PID } from '../support/servers/test-server.js'

/** What a function leaves in the session, without a word of it in the text that calls it. */
const KINDS: Readonly<Record<string, string>> = {
  setting: `perform set_config('work_mem', '64MB', false)`,
  tenant: `perform set_config('app.tenant', 'acme', false)`,
  path: `perform set_config('search_path', 'pg_catalog', false)`,
  role: `set role pg_monitor`,
  lock: `perform pg_advisory_lock(42)`,
  table: `create temp table scratch(n int)`,
  listen: `listen news`,
  prepared: `execute 'prepare mine as select 1'`,
  cursor: `execute 'declare mine cursor with hold for select 1'`,
  sequence: `perform nextval('kept_seq')`,
  characteristics: `set session characteristics as transaction isolation level serializable, read only, deferrable`,
  timeout: `set statement_timeout = 1`,
  idle: `set idle_in_transaction_session_timeout = 1`,
  replication: `perform set_config('DateStyle', 'German', false)`,
}
const GRANTS = 'grant pg_monitor to app'

const STATE = `
  select current_setting('work_mem') as work_mem,
    current_setting('search_path') as search_path,
    current_setting('default_transaction_read_only') as read_only,
    current_setting('default_transaction_isolation') as isolation,
    current_setting('statement_timeout') as timeout,
    current_setting('idle_in_transaction_session_timeout') as idle,
    current_setting('DateStyle') as datestyle,
    coalesce(current_setting('app.tenant', true), '') as tenant,
    current_user::text as role,
    (select count(*)::int from pg_class where relnamespace = pg_my_temp_schema() and relkind = 'r') as tables,
    (select count(*)::int from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()) as locks,
    (select count(*)::int from pg_prepared_statements where from_sql) as prepared,
    (select count(*)::int from pg_listening_channels()) as channels,
    (select count(*)::int from pg_cursors where is_holdable) as cursors`

/**
 * Two schemas of which each has a table of one name, with a column of another type, and a value
 * that tells the types apart.
 */
const TYPES = [
  ['of_days', 'date', '2026-01-01'],
  ['of_moments', 'timestamptz', '2026-01-01 12:34:56+00'],
] as const

const PREPARE = [
  `create or replace function enter(path text) returns void language sql as $f$ select set_config('search_path', path || ', public', false) $f$`,
  'create sequence if not exists kept_seq',
  ...Object.entries(KINDS).map(
    ([kind, body]) =>
      `create or replace function leave_${kind}() returns int language plpgsql as $f$ begin ${body}; return 1; end $f$`,
  ),
]

async function until(node: ClusterNode, condition: string): Promise<void> {
  while ((await node.sql<{ is: boolean }>(condition))[0]!.is === false) await setImmediate()
}

/** A line to a server, and what was sent over it, piece by piece. */
async function listenOn(port: number): Promise<{ port: number; pieces: Buffer[] }> {
  const pieces: Buffer[] = []
  const server = createServer((client) => {
    const upstream = connect(port, '127.0.0.1')
    client.on('data', (piece) => pieces.push(piece as Buffer))
    client.pipe(upstream).pipe(client)
    for (const socket of [client, upstream]) socket.on('error', () => upstream.destroy())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  return { port: (server.address() as { port: number }).port, pieces }
}

/** The kinds of the messages in a piece. */
function kindsOf(piece: Buffer): string {
  let kinds = ''
  for (let at = 0; at < piece.length; at += 1 + piece.readUInt32BE(at + 1))
    kinds += String.fromCharCode(piece[at]!)
  return kinds
}

describe.each(everyServer())(
  'reset: always over $driver on PostgreSQL $version',
  ({ driver, make, cluster }) => {
    let prepared: Promise<unknown> | undefined
    async function openPool(options: Partial<PoolOptions> = {}): Promise<ConnectionPool> {
      const { primary } = await cluster()
      prepared ??= (async () => {
        await primary.sql(GRANTS)
        const owner = createPool({ driver: make(), connection: primary.url })
        for (const text of PREPARE) await owner.query(text)
        await owner.close()
      })()
      await prepared
      const pool = createPool({
        driver: make(),
        connection: primary.url,
        max: 1,
        reset: 'always',
        ...options,
      })
      onTestFinished(() => pool.close())
      return pool
    }
    const pidOf = async (pool: ConnectionPool): Promise<number> =>
      (await pool.query<{ pid: number }>(PID)).rows[0]!.pid

    const undone = Object.keys(KINDS).filter((kind) => kind !== 'prepared' && kind !== 'timeout')
    it.each(undone)(
      'T10: what a function leaves as a %s reaches no later borrower, in the same session',
      async (kind) => {
        const pool = await openPool()
        const fresh = (await pool.query(STATE)).rows
        const pid = await pidOf(pool)
        for (let round = 0; round < 2; round++) {
          await pool.query(`select leave_${kind}()`)
          expect((await pool.query(STATE)).rows).toEqual(fresh)
        }
        if (kind === 'sequence') {
          await pool.query(`select leave_${kind}()`)
          expect(await failureOf(pool.query('select lastval()'))).toMatchObject({ code: '55000' })
        }
        expect(await pidOf(pool)).toBe(pid)
      },
    )

    it('T10: a function that prepares a statement in SQL ends its session, and the next statement runs on another', async () => {
      const pool = await openPool()
      const fresh = (await pool.query(STATE)).rows
      const reasons: string[] = []
      pool.on('destroy', ({ reason }) => reasons.push(reason))
      await pool.query('select leave_prepared()')
      expect((await pool.query(STATE)).rows).toEqual(fresh)
      expect(reasons).toEqual([expect.stringContaining('could not be reset')])
    })

    it('T10: a borrower that set statement_timeout = 1 fails no later call', async () => {
      const pool = await openPool()
      for (let round = 0; round < 5; round++) {
        await pool.query('select leave_timeout()').catch(() => undefined)
        const { rows } = await pool.query(`select 1 as n, pg_sleep(0.01)::text as slept`)
        expect(rows).toEqual([{ n: 1, slept: '' }])
      }
    })

    it('T10: with auto the same function is not seen', async () => {
      const pool = await openPool({ reset: 'auto' })
      await pool.query('select leave_tenant()')
      const { rows } = await pool.query(`select current_setting('app.tenant', true) as tenant`)
      expect(rows).toEqual([{ tenant: 'acme' }])
    })

    const TENANT = `coalesce(current_setting('app.tenant', true), '')`
    const FIRST: readonly { what: string; run: (pool: ConnectionPool) => Promise<unknown> }[] = [
      { what: 'a text', run: async (pool) => (await pool.query(`select ${TENANT} as t`)).rows },
      {
        what: 'values',
        run: async (pool) => (await pool.query(`select ${TENANT} as t where $1 = 1`, [1])).rows,
      },
      {
        what: 'a named statement',
        run: async (pool) =>
          (await pool.query({ name: 'first', text: `select ${TENANT} as t` })).rows,
      },
      {
        what: 'several statements in one text',
        run: async (pool) => (await pool.query(`select 1; select ${TENANT} as t`)).rows,
      },
      {
        what: 'a lease',
        run: (pool) => pool.use(async (lease) => (await lease.query(`select ${TENANT} as t`)).rows),
      },
      {
        what: 'BEGIN',
        run: (pool) =>
          pool.transaction(async (tx) => (await tx.query(`select ${TENANT} as t`)).rows),
      },
      {
        what: 'a stream',
        run: async (pool) => {
          const rows: unknown[] = []
          for await (const row of pool.stream(`select ${TENANT} as t`, [], { batchSize: 1 }))
            rows.push(row)
          return rows
        },
      },
      {
        what: 'COPY TO',
        run: async (pool) => {
          let text = ''
          for await (const bytes of pool.copyTo(`copy (select ${TENANT}) to stdout`))
            text += Buffer.from(bytes).toString()
          return [{ t: text.trim() }]
        },
      },
      {
        what: 'COPY FROM',
        run: async (pool) => {
          await pool.query('create table if not exists copied(t text default null)')
          await pool.query('truncate copied')
          await pool.query('select leave_tenant()')
          await pool.copyFrom('copy copied from stdin', ['x\n', 'y\n'])
          const { rows } = await pool.query(`select count(*)::int as n from copied`)
          return rows[0]!['n'] === 2 ? [{ t: '' }] : rows
        },
      },
      {
        what: 'VACUUM',
        run: async (pool) => {
          await pool.query('vacuum pg_catalog.pg_am')
          return [{ t: '' }]
        },
      },
      {
        what: 'the raw client',
        run: (pool) =>
          pool.use(async (lease) => {
            const raw = lease.raw as Client | Sql
            const text = `select ${TENANT} as t`
            return 'unsafe' in raw ? [...(await raw.unsafe(text))] : (await raw.query(text)).rows
          }),
      },
    ]
    it.each(FIRST)('T10: the reset travels in front of $what', async ({ run }) => {
      const pool = await openPool()
      for (let round = 0; round < 4; round++) {
        await pool.query('select leave_tenant()')
        expect(await run(pool)).toEqual([{ t: '' }])
      }
      expect(pool.stats().counters.destroyed).toBe(0)
    })

    it.each(['select 1/0', 'selec 1', 'select 1; select 1/0', 'copy nowhere from stdin'])(
      'T10: an error of the first statement (%s) does not undo the reset',
      async (text) => {
        const pool = await openPool()
        const lease = await pool.acquire()
        await lease.query('select leave_tenant()')
        lease.release()
        const next = await pool.acquire()
        await failureOf(next.query(text, text === 'select 1/0' ? [] : undefined))
        const { rows } = await next.query(`select ${TENANT} as t`)
        expect(rows).toEqual([{ t: '' }])
        expect(next.connection).toBe(lease.connection)
        next.release()
      },
    )

    it('T10: keeps named statements and their names through every reset', async () => {
      const pool = await openPool()
      for (let round = 0; round < 6; round++) {
        const { rows } = await pool.query('select $1::int + 1 as n', [round])
        expect(rows).toEqual([{ n: round + 1 }])
        await pool.query({ name: 'mine', text: 'select $1::int as n', values: [1] })
      }
      // Dropping them by text, or unseen, costs at most the session.
      await pool.query('deallocate all')
      expect((await pool.query('select 1 as n')).rows).toEqual([{ n: 1 }])
      await pool.query(`do $$ begin execute 'deallocate all'; end $$`)
      expect((await pool.query('select 2 as n')).rows).toEqual([{ n: 2 }])
    })

    it('T10: the truth about a statement whose reset is cancelled is that it did not run', async () => {
      const pool = await openPool()
      const { primary } = await cluster()
      await pool.query('drop table if exists counted')
      await pool.query('create table counted(n int)')
      // The reset waits for a lock on the temporary table of the borrower before.
      const pid = await pool.use(async (lease) => {
        await lease.query('select leave_table()')
        const { rows } = await lease.query<{ oid: string }>(
          `select 'scratch'::regclass::oid as oid`,
        )
        expect(rows).toHaveLength(1)
        return (await lease.query<{ pid: number }>(PID)).rows[0]!.pid
      })
      const schema = await primary.sql<{ name: string }>(
        `select n.nspname as name from pg_class c join pg_namespace n on n.oid = c.relnamespace where relname = 'scratch'`,
      )
      const held = primary.sql(
        `begin; lock table ${schema[0]!.name}.scratch in access share mode; select pg_sleep(1); rollback`,
      )
      await until(
        primary,
        `select count(*) > 0 as is from pg_locks l join pg_class c on c.oid = l.relation where c.relname = 'scratch' and l.granted`,
      )
      const error = await failureOf(
        pool.query('insert into counted values (1)', [], { timeoutMs: 300 }),
      )
      expect(error).toMatchObject({ name: 'StatementTimeoutError', executed: 'no' })
      await held
      const { rows } = await pool.query('select count(*)::int as n from counted')
      expect(rows).toEqual([{ n: 0 }])
      expect(await pidOf(pool)).not.toBe(pid)
    })

    it('T10: a statement runs once, on another session, when a part of the reset fails', async () => {
      const { primary } = await cluster()
      const pool = await openPool({ max: 2 })
      await pool.query('drop table if exists counted')
      await pool.query('create table counted(n int)')
      for (const run of [
        () => pool.query('insert into counted values (1)'),
        () => pool.query('insert into counted values ($1)', [1]),
        () => pool.transaction((tx) => tx.query('insert into counted values (1)')),
        () => pool.copyFrom('copy counted from stdin', ['1\n']),
        async () => {
          for await (const _ of pool.stream('insert into counted values (1) returning n'));
        },
      ]) {
        await pool.query('truncate counted')
        await pool.query('select leave_prepared()')
        const before = pool.stats().counters.destroyed
        await run()
        expect(pool.stats().counters.destroyed).toBe(before + 1)
        expect(await primary.sql('select count(*)::int as n from counted')).toEqual([{ n: 1 }])
      }
    })

    it('T10: what was prepared under a search path that a function had set serves no later borrower', async () => {
      const pool = await openPool({ prepare: { maxAgeMs: 3_600_000 } })
      for (const [schema, type, value] of TYPES) {
        await pool.query(`drop schema if exists ${schema} cascade; create schema ${schema}`)
        await pool.query(`create table ${schema}.visits (id int, at ${type})`)
        await pool.query(`insert into ${schema}.visits values (1, '${value}')`)
      }
      const text = 'select id from visits where at = $1'
      for (let round = 0; round < 2; round++) {
        for (const [schema, , value] of TYPES) {
          const seen = await pool.use(async (lease) => {
            await lease.query('select enter($1)', [schema])
            const rows: unknown[] = []
            for (const name of [undefined, undefined, undefined, 'mine', 'mine']) {
              const statement = name === undefined ? { text } : { text, name }
              rows.push(...(await lease.query({ ...statement, values: [value] })).rows)
            }
            return rows
          })
          expect(seen).toEqual([1, 2, 3, 4, 5].map(() => ({ id: 1 })))
        }
      }
    })

    it('T10: what the text shows is reset at release, as with auto', async () => {
      const pool = await openPool()
      const { primary } = await cluster()
      await pool.use((lease) => lease.query('select pg_advisory_lock(77)'))
      await pool.use(async () => undefined)
      expect(
        await primary.sql(`select count(*)::int as n from pg_locks where locktype = 'advisory'`),
      ).toEqual([{ n: 0 }])
    })

    it('T10: reset and statement leave in one piece, with one Sync or Query behind which to wait', async () => {
      const { primary } = await cluster()
      const line = await listenOn(primary.port)
      const url = new URL(primary.url)
      url.port = String(line.port)
      const pool = await openPool({ connection: url.href, prepare: 'off' })
      for (const values of [undefined, [1]]) {
        for (let round = 0; round < 3; round++) {
          line.pieces.length = 0
          await pool.query(values === undefined ? 'select 1' : 'select $1::int', values)
        }
        expect(line.pieces.map(kindsOf)).toEqual([
          expect.stringMatching(values === undefined ? /^(BE){9}Q$/ : /^(BE){9}P(BD|DB)ES$/),
        ])
      }
    })

    it('is refused together with a pooler', () => {
      const options = {
        driver: make(),
        connection: 'postgres://h/db',
        pooler: 'pgbouncer',
      } as const
      expect(() => createPool({ ...options, reset: 'always' })).toThrow(/reset.*pooler/)
      expect(driver).toBeDefined()
    })
  },
)
