import {
  type ConnectionOptions,
  type ConnectionPool,
  createPool,
  type Lease,
} from '@poolhouse/core'
import { afterEach, beforeAll, describe, expect, it } from 'vitest'
import { everyServer } from '../support/every-server.js'

// Two tenants whose tables differ in the types of their columns.
const SETUP = [
  'drop schema if exists first_tenant cascade; drop schema if exists second_tenant cascade',
  'create schema first_tenant; create schema second_tenant',
  'create schema if not exists own; drop table if exists own.t; create table own.t (n numeric, at text)',
  `insert into own.t values (0.1, 'ever')`,
  'create table first_tenant.t (n real, at date)',
  'create table second_tenant.t (n double precision, at timestamptz)',
  `insert into first_tenant.t values (0.1, '2026-01-01')`,
  `insert into second_tenant.t values (0.1, '2026-01-01 12:34:56+00')`,
  `do $$ begin create role first_tenant; create role second_tenant; exception when duplicate_object then null; end $$`,
  'grant all on schema first_tenant to first_tenant; grant all on schema second_tenant to second_tenant',
  'grant all on first_tenant.t to first_tenant; grant all on second_tenant.t to second_tenant',
]
const TENANTS = ['first_tenant', 'second_tenant'] as const
const READ = 'select n, at::text as at from t where n = $1 and at = $2'
const INSERT = 'insert into t values ($1, $2)'

interface Way {
  readonly what: string
  enter(lease: Pick<Lease, 'query'>, tenant: string): Promise<unknown>
}

// Each ends with its transaction, or with the reset of the session.
const WAYS: readonly Way[] = [
  {
    what: 'SET LOCAL search_path',
    enter: (tx, tenant) => tx.query(`set local search_path = ${tenant}`),
  },
  { what: 'SET search_path', enter: (tx, tenant) => tx.query(`set search_path to ${tenant}`) },
  { what: 'SET SCHEMA', enter: (tx, tenant) => tx.query(`set schema '${tenant}'`) },
  { what: 'SET LOCAL ROLE', enter: (tx, tenant) => tx.query(`set local role ${tenant}`) },
  {
    what: 'SET SESSION AUTHORIZATION',
    enter: (tx, tenant) => tx.query(`set local session authorization ${tenant}`),
  },
  {
    what: 'set_config with values',
    enter: (tx, tenant) => tx.query('select set_config($1, $2, true)', ['search_path', tenant]),
  },
  {
    what: 'set_config with a name in the text',
    enter: (tx, tenant) =>
      tx.query(`select 1 from (select set_config('search_path', $1, true)) s`, [tenant]),
  },
  {
    what: 'a DO block',
    enter: (tx, tenant) =>
      tx.query(`do $$ begin execute 'set local search_path = ${tenant}'; end $$`),
  },
  {
    what: 'a statement prepared in SQL',
    enter: async (tx, tenant) => {
      await tx.query('deallocate all')
      await tx.query(`prepare enter as select set_config('search_path', '${tenant}', true)`)
      await tx.query('execute enter')
    },
  },
  {
    what: 'one of several statements',
    enter: (tx, tenant) => tx.query(`select 1; set local search_path = ${tenant}; select 2`),
  },
]

describe.each(everyServer())('over $driver on PostgreSQL $version', ({ make, cluster }) => {
  let connection: ConnectionOptions
  let pool: ConnectionPool

  beforeAll(async () => {
    const server = await cluster()
    const { database, primary } = server
    const { host, port } = primary
    // As the superuser, who may become every role.
    await primary.sql(`alter role ${server.user} superuser`)
    const { user, password } = server
    const parameters = { search_path: '"$user", own' }
    connection = { host, port, user, password, database, ssl: false, parameters }
    const owner = createPool({ driver: make(), connection, max: 1 })
    for (const text of SETUP) await owner.query(text)
    await owner.close()
  })

  afterEach(async () => {
    await pool?.close()
  })

  const open = (max = 1): ConnectionPool => {
    pool = createPool({ driver: make(), connection, max, prepare: { maxAgeMs: 3_600_000 } })
    return pool
  }
  const parsedAt = async (): Promise<Date | undefined> => {
    const { rows } = await pool.query<{ at: Date }>(
      `select prepare_time as at from pg_catalog.pg_prepared_statements where name like 'poolhouse%'`,
    )
    return rows[0]?.at
  }
  const preparedBy = async (query: Lease['query']): Promise<number> => {
    const { rows } = await query<{ n: number }>(
      'select count(*)::int as n from pg_catalog.pg_prepared_statements where not from_sql',
    )
    return rows[0]!.n
  }

  /** Reads by the types of the session's own table, often enough for a name. */
  const warm = async (): Promise<void> => {
    for (let use = 0; use < 4; use++) {
      expect((await pool.query(READ, ['0.1', 'ever'])).rows).toEqual([{ n: '0.1', at: 'ever' }])
    }
  }
  /** Reads and writes as a tenant, and undoes it. */
  const visit = (index: number, { enter }: Way): Promise<unknown> =>
    pool.transaction(async (tx) => {
      await enter(tx, TENANTS[index]!)
      const at = index === 0 ? '2026-01-01' : '2026-01-01 12:34:56+00'
      const { rows } = await tx.query(READ, [0.1, at])
      expect(rows).toHaveLength(1)
      await tx.query('delete from t')
      await tx.query(INSERT, [0.1, '2026-01-01 12:34:56+00'])
      const stored = `select n = 0.1::float8 as n, at::timestamptz = timestamptz '2026-01-01 12:34:56+00' as at from t`
      expect((await tx.query(stored)).rows).toEqual([{ n: index === 1, at: index === 1 }])
      await tx.rollback()
    })

  describe.each([
    { order: [0, 1, 0, 1], what: 'taking turns' },
    { order: [1, 1, 1, 1, 0, 0], what: 'one after the other' },
  ])('T03: tenants $what', ({ order }) => {
    it.each(WAYS)('each read and write by the types of their own tables: $what', async (way) => {
      open()
      for (const index of order) {
        await warm()
        await visit(index, way)
      }
      await warm()
      expect(await preparedBy(pool.query.bind(pool))).toBeGreaterThan(0)
    })
  })

  it('T03: the caller’s own names are right for each tenant, too', async () => {
    open()
    for (const index of [0, 1, 0]) {
      await pool.transaction(async (tx) => {
        await tx.query(`set local search_path = ${TENANTS[index]}`)
        const at = index === 0 ? '2026-01-01' : '2026-01-01 12:34:56+00'
        const { rows } = await tx.query({ text: READ, values: [0.1, at], name: 'read' })
        expect(rows).toHaveLength(1)
      })
      const own = { text: READ, values: ['0.1', 'ever'], name: 'read' }
      expect((await pool.query(own)).rows).toHaveLength(1)
    }
  })

  it('T03: a literal means what the time zone of its transaction says', async () => {
    open()
    const text = `select extract(epoch from timestamptz '2026-01-01 00:00')::int as at where $1`
    const zoned = (zone: string): Promise<unknown> =>
      pool.transaction(async (tx) => {
        await tx.query(`set local timezone = '${zone}'`)
        return (await tx.query<{ at: number }>(text, [true])).rows[0]!.at
      })
    for (let use = 0; use < 4; use++) await pool.query(text, [true])
    expect(await zoned('UTC')).toBe(1_767_225_600)
    expect(await zoned('Etc/GMT+5')).toBe(1_767_225_600 + 5 * 3_600)
  })

  it('T03: settings that change no meaning leave the names in use, also those of row-level-security tenants', async () => {
    open()
    const settings = 'select set_config($1, $2, true), set_config($3, $4, true)'
    await warm()
    for (const enter of [
      (tx: Pick<Lease, 'query'>) => tx.query(settings, ['app.tenant', 'a', 'app.user', 'b']),
      (tx: Pick<Lease, 'query'>) => tx.query(`set local statement_timeout = '5s'`),
      (tx: Pick<Lease, 'query'>) => tx.query(`select set_config('app.tenant', $1, true)`, ['a']),
    ]) {
      const before = await parsedAt()
      expect(before).toBeDefined()
      await pool.transaction(async (tx) => {
        await enter(tx)
        expect((await tx.query(READ, ['0.1', 'ever'])).rows).toHaveLength(1)
        expect(await preparedBy(tx.query.bind(tx))).toBe(1)
      })
      expect(await parsedAt()).toEqual(before)
    }
  })

  it.each([
    'discard all',
    'deallocate all',
    'deallocate mine',
    `do 'begin execute ''deallocate all''; end'`,
  ])(
    'T11: after a borrower’s %s each known statement works the first time, inside and outside a transaction',
    async (text) => {
      open()
      const mine = { text: 'select $1::int as n', values: [1], name: 'mine' }
      for (const inside of [false, true]) {
        await warm()
        await pool.query(mine)
        await pool.use(async (lease) => {
          await lease.query(text)
          if (inside) await lease.query('begin')
          expect((await lease.query(mine)).rows).toEqual([{ n: 1 }])
          expect((await lease.query(READ, ['0.1', 'ever'])).rows).toHaveLength(1)
          if (inside) await lease.query('commit')
        })
        await warm()
      }
    },
  )

  it.each([true, false])(
    'T03: the caller’s own names are right under a path that raw has set, local: %s',
    async (local) => {
      open()
      const text = `select set_config('search_path', $1, ${local})`
      // Also in a second lease, in which postgres.js sends no text of what it has prepared.
      for (let borrower = 0; borrower < 2; borrower++) {
        await pool.use(async (lease) => {
          const raw = lease.raw as {
            query?(text: string, values: unknown[]): Promise<unknown>
            unsafe(text: string, values: unknown[], options: object): Promise<unknown>
          }
          for (const index of [0, 1, 0, 1]) {
            await lease.query('begin')
            const values = [TENANTS[index]]
            await (raw.query?.(text, values) ?? raw.unsafe(text, values, { prepare: true }))
            const at = index === 0 ? '2026-01-01' : '2026-01-01 12:34:56+00'
            for (let use = 0; use < 2; use++) {
              const read = { text: READ, values: [0.1, at], name: 'read' }
              expect((await lease.query(read)).rows).toHaveLength(1)
            }
            await lease.query('commit')
          }
        })
      }
    },
  )

  it('T11: DISCARD ALL through raw counts as well', async () => {
    open()
    const mine = { text: 'select $1::int as n', values: [1], name: 'mine' }
    await warm()
    await pool.use(async (lease) => {
      await lease.query(mine)
      const raw = lease.raw as {
        query?(text: string): Promise<unknown>
        unsafe(text: string): Promise<unknown>
      }
      await (raw.query === undefined ? raw.unsafe('discard all') : raw.query('discard all'))
      await lease.query('begin')
      expect((await lease.query(mine)).rows).toEqual([{ n: 1 }])
      expect((await lease.query(READ, ['0.1', 'ever'])).rows).toHaveLength(1)
      await lease.query('commit')
    })
  })

  it('T03: a temporary table that hides another is read while it is there, and not afterwards', async () => {
    open()
    await warm()
    await pool.use(async (lease) => {
      await lease.query(`create temp table t as select 2::int as n, 3::int as at`)
      for (let use = 0; use < 4; use++) {
        expect((await lease.query(READ, [2, 3])).rows).toEqual([{ n: 2, at: '3' }])
      }
    })
    await warm()
  })
})
