import {
  type ConnectionOptions,
  type ConnectionPool,
  createPool,
  type Lease,
} from '@poolhouse/core'
import type { Cluster } from '@poolhouse/testkit'
import { afterEach, beforeAll, describe, expect, it } from 'vitest'
import { AdjustableClock } from '../support/clocks/adjustable-clock.js'
import { everyServer } from '../support/every-server.js'

interface Change {
  readonly what: string
  /** Makes table `t`, and what else is needed. */
  readonly before: readonly string[]
  /** A read of `t` that is prepared before the change, and the value with which it is. */
  readonly read: string
  readonly warm: unknown
  /** The change. */
  readonly ddl: readonly string[]
  /** A value that only the definitions after the change take or find, and what is then read. */
  readonly value: unknown
  readonly rows: readonly Record<string, unknown>[]
}

const column = (type: string, value: string): string[] => [
  `create table t (id int, n ${type})`,
  `insert into t values (1, ${value})`,
]

const CHANGES: readonly Change[] = [
  {
    what: 'int to bigint',
    before: column('int', '1'),
    read: 'select id from t where n >= 0 and n < $1',
    warm: 5,
    ddl: ['alter table t alter n type bigint'],
    value: 3_000_000_000,
    rows: [{ id: 1 }],
  },
  {
    what: 'int to text',
    before: column('int', '1'),
    read: 'select id from t where n = $1',
    warm: 1,
    ddl: ['alter table t alter n type text', `update t set n = 'one'`],
    value: 'one',
    rows: [{ id: 1 }],
  },
  {
    what: 'real to double precision',
    before: column('real', '1'),
    read: 'select id from t where n = $1',
    warm: 1,
    ddl: ['alter table t alter n type double precision', 'update t set n = 0.1'],
    value: 0.1,
    rows: [{ id: 1 }],
  },
  {
    what: 'date to timestamptz',
    before: column('date', `'2026-01-01'`),
    read: 'select id from t where n = $1',
    warm: '2026-01-01',
    ddl: ['alter table t alter n type timestamptz', `update t set n = '2026-01-01 12:34:56+00'`],
    value: '2026-01-01 12:34:56+00',
    rows: [{ id: 1 }],
  },
  {
    what: 'numeric to a narrower scale of text',
    before: column('numeric(4, 1)', '1.5'),
    read: 'select id from t where n = $1',
    warm: '1.5',
    ddl: ['alter table t alter n type varchar using n::text || $$ m$$'],
    value: '1.5 m',
    rows: [{ id: 1 }],
  },
  {
    what: 'an enum made anew',
    before: [`create type mood as enum ('sad')`, ...column('mood', `'sad'`)],
    read: 'select id from t where n = $1',
    warm: 'sad',
    ddl: [
      'alter table t alter n type text',
      'drop type mood',
      `create type mood as enum ('sad', 'glad')`,
      'alter table t alter n type mood using n::mood',
      `update t set n = 'glad'`,
    ],
    value: 'glad',
    rows: [{ id: 1 }],
  },
  {
    what: 'a domain made anew over another type',
    before: ['create domain amount as int', ...column('int', '7')],
    read: 'select id from t where n::text = ($1::amount)::text',
    warm: 7,
    ddl: [
      'drop domain amount',
      'create domain amount as text',
      'alter table t alter n type text',
      `update t set n = 'many'`,
    ],
    value: 'many',
    rows: [{ id: 1 }],
  },
  {
    what: 'a column added and one dropped',
    before: column('int', '1'),
    read: 'select * from t where id = $1',
    warm: 1,
    ddl: ['alter table t add m text default $$new$$', 'alter table t drop n'],
    value: 1,
    rows: [{ id: 1, m: 'new' }],
  },
  {
    what: 'a table made anew',
    before: column('int', '1'),
    read: 'select * from t where n = $1',
    warm: 1,
    ddl: ['drop table t', ...column('text', `'x'`)],
    value: 'x',
    rows: [{ id: 1, n: 'x' }],
  },
  {
    what: 'a table made as another select',
    before: column('int', '1'),
    read: 'select * from t where n = $1',
    warm: 1,
    ddl: [`alter table t rename to was`, `create table t as select 2 as id, 'x'::text as n`],
    value: 'x',
    rows: [{ id: 2, n: 'x' }],
  },
  {
    what: 'a view replaced',
    before: ['create view t as select 1 as id, 1 as n'],
    read: 'select * from t where n = $1',
    warm: 1,
    ddl: ['drop view t', `create view t as select 1 as id, 'x'::text as n`],
    value: 'x',
    rows: [{ id: 1, n: 'x' }],
  },
  {
    what: 'a function with other types',
    before: [`create function t(n int) returns int language sql as 'select n'`],
    read: 'select * from t($1) as n',
    warm: 1,
    ddl: [
      'drop function t(int)',
      `create function t(n text) returns text language sql as 'select n'`,
    ],
    value: 'x',
    rows: [{ n: 'x' }],
  },
  {
    what: 'a type inside a composite one',
    before: [
      'create type pair as (a int, b int)',
      'create table t (id int, n pair)',
      `insert into t values (1, '(1,2)')`,
    ],
    read: 'select id, (n).b as b from t where n = $1::pair',
    warm: '(1,2)',
    ddl: [
      'alter table t alter n type text',
      'drop type pair',
      'create type pair as (a int, b text)',
      `alter table t alter n type pair using '(1,two)'::pair`,
    ],
    value: '(1,two)',
    rows: [{ id: 1, b: 'two' }],
  },
]

// Each way in which the pool itself may change definitions; every one ends with the change
// committed.
const WAYS: readonly {
  what: string
  run(pool: ConnectionPool, ddl: readonly string[]): Promise<unknown>
}[] = [
  {
    what: 'one statement after the other',
    run: async (pool, ddl) => {
      for (const text of ddl) await pool.query(text)
    },
  },
  { what: 'one text', run: (pool, ddl) => pool.query(ddl.join('; ')) },
  {
    what: 'a transaction',
    run: (pool, ddl) =>
      pool.transaction(async (tx) => {
        for (const text of ddl) await tx.query(text)
      }),
  },
  {
    what: 'a DO block',
    run: (pool, ddl) =>
      pool.query(`do $do$ begin ${ddl.map((text) => `${text};`).join(' ')} end $do$`),
  },
  {
    what: 'raw',
    run: (pool, ddl) =>
      pool.use(async ({ raw }) => {
        const client = raw as {
          query?: (text: string) => Promise<unknown>
          unsafe(text: string): Promise<unknown>
        }
        const text = ddl.join('; ')
        await (client.query === undefined ? client.unsafe(text) : client.query(text))
      }),
  },
]

describe.each(everyServer())('over $driver on PostgreSQL $version', ({ make, cluster }) => {
  let server: Cluster
  let pool: ConnectionPool
  // Another client of the same server.
  let others: ConnectionPool
  let clock: AdjustableClock

  beforeAll(async () => {
    server = await cluster()
  })

  afterEach(async () => {
    await pool?.close()
    await others?.close()
  })

  const connection = (): ConnectionOptions => {
    const { user, password, database, primary } = server
    const { host, port } = primary
    return { host, port, user, password, database, ssl: false, parameters: { search_path: 'app' } }
  }

  const open = async (before: readonly string[], maxAgeMs?: number): Promise<void> => {
    clock = new AdjustableClock()
    const prepare = maxAgeMs === undefined ? undefined : { maxAgeMs }
    pool = createPool({ driver: make(), connection: connection(), max: 3, prepare, clock })
    others = createPool({ driver: make(), connection: connection(), max: 1, prepare: 'off' })
    await pool.query('drop schema if exists app cascade; create schema app')
    for (const text of before) await pool.query(text)
  }
  const onEach = async <R>(work: (lease: Lease) => Promise<R>): Promise<R[]> => {
    const leases = await Promise.all([1, 2, 3].map(() => pool.acquire()))
    try {
      return await Promise.all(leases.map(work))
    } finally {
      for (const lease of leases) lease.release()
    }
  }
  const warm = async (text: string, value: unknown): Promise<void> => {
    const counts = await onEach(async (lease) => {
      for (let use = 0; use < 4; use++) {
        await lease.query(text, [value])
        await lease.query({ text, values: [value], name: 'mine' })
      }
      const prepared = `select count(*)::int as n from pg_prepared_statements where statement = '${text.replaceAll("'", "''")}'`
      return (await lease.query<{ n: number }>(prepared)).rows[0]!.n
    })
    // Under our name and under the caller's.
    expect(counts).toEqual([2, 2, 2])
  }

  describe.each(CHANGES)('T02: $what', ({ before, read, warm: first, ddl, value, rows }) => {
    it('changed by the pool, counts at once on each connection, for names of ours and of the caller', async () => {
      await open(before)
      await warm(read, first)
      for (const text of ddl) await pool.query(text)
      const seen = await onEach(async (lease) => [
        (await lease.query(read, [value])).rows,
        (await lease.query({ text: read, values: [value], name: 'mine' })).rows,
      ])
      expect(seen).toEqual([1, 2, 3].map(() => [rows, rows]))
    })

    it('changed by another client, counts after the age at the latest, and never fails before it outside a transaction', async () => {
      await open(before, 1_000)
      await warm(read, first)
      await others.query(ddl.join('; '))
      // What the old types do not take is parsed anew; what they take may be compared in the old
      // way.
      await onEach((lease) => lease.query(read, [value]))
      clock.advance(1_000)
      const seen = await onEach(async (lease) => (await lease.query(read, [value])).rows)
      expect(seen).toEqual([rows, rows, rows])
      clock.advance(1_000)
      const inside = await onEach(async (lease) => {
        await lease.query('begin')
        const result = await lease.query(read, [value])
        await lease.query('commit')
        return result.rows
      })
      expect(inside).toEqual([rows, rows, rows])
    })
  })

  describe.each(WAYS)('T02: a change by $what', ({ run }) => {
    it('counts at once on each connection, also inside a transaction', async () => {
      const { before, read, warm: first, ddl, value, rows } = CHANGES[2]!
      await open(before)
      await warm(read, first)
      await run(pool, ddl)
      const seen = await onEach(async (lease) => {
        await lease.query('begin')
        const inside = await lease.query(read, [value])
        await lease.query('rollback')
        return [inside.rows, (await lease.query(read, [value])).rows]
      })
      expect(seen).toEqual([1, 2, 3].map(() => [rows, rows]))
    })
  })

  it('T02: a change that is rolled back, in whole or to a savepoint, is forgotten again', async () => {
    const { before, read, warm: first } = CHANGES[1]!
    await open(before)
    await warm(read, first)
    await onEach(async (lease) => {
      if (lease.connection !== 1) return
      for (const [begin, end] of [
        ['begin', 'rollback'],
        ['begin; savepoint a', 'rollback to savepoint a'],
      ] as const) {
        await lease.query(begin)
        await lease.query('alter table t alter n type text')
        for (let use = 0; use < 3; use++) {
          expect((await lease.query(read, ['x'])).rows).toEqual([])
        }
        await lease.query(end)
        expect((await lease.query(read, [1])).rows).toEqual([{ id: 1 }])
        await lease.query('rollback')
      }
    })
  })

  const TO_TIME = `alter table t alter n type timestamptz; update t set n = '2026-01-01 12:34:56+00'`
  it.each([
    { what: 'a DO block', text: `do $$ begin ${TO_TIME}; commit; raise 'late'; end $$` },
    { what: 'a procedure', text: 'call change($1)', values: [1] },
    { what: 'one of several statements', text: `begin; ${TO_TIME}; commit; select 1 / 0` },
  ])(
    'T02: a change that $what has committed before it failed counts at once on each connection',
    async ({ text, values }) => {
      const read = 'select id from t where n = $1'
      await open(
        [
          ...column('date', `'2026-01-01'`),
          `create procedure change(n int) language plpgsql as $$ begin ${TO_TIME}; commit; raise 'late'; end $$`,
        ],
        3_600_000,
      )
      await warm(read, '2026-01-01')
      await pool.use(async (lease) => {
        const failed = await lease.query(text, values).catch((error: unknown) => error)
        expect(failed).toMatchObject({ executed: 'unknown' })
      })
      const seen = await onEach(async (lease) => {
        return (await lease.query(read, ['2026-01-01 12:34:56+00'])).rows
      })
      expect(seen).toEqual([1, 2, 3].map(() => [{ id: 1 }]))
    },
  )

  it('T02: a change that was committed through raw by what then failed counts at once on each connection', async () => {
    const read = 'select id from t where n = $1'
    await open(column('date', `'2026-01-01'`), 3_600_000)
    await warm(read, '2026-01-01')
    await pool.use(async ({ raw }) => {
      const client = raw as {
        query?(text: string): Promise<unknown>
        unsafe(text: string): Promise<unknown>
      }
      const text = `do $$ begin ${TO_TIME}; commit; raise 'late'; end $$`
      await expect(client.query?.(text) ?? client.unsafe(text)).rejects.toThrow('late')
    })
    const seen = await onEach(async (lease) => {
      return (await lease.query(read, ['2026-01-01 12:34:56+00'])).rows
    })
    expect(seen).toEqual([1, 2, 3].map(() => [{ id: 1 }]))
  })

  it('T02: a change that is committed by COMMIT AND CHAIN counts at once on each connection', async () => {
    const read = 'select id from app.t where n = $1'
    await open(column('date', `'2026-01-01'`), 3_600_000)
    await pool.query('drop schema if exists app_next, app_former cascade; create schema app_next')
    await pool.query('create table app_next.t (id int, n timestamptz)')
    await pool.query(`insert into app_next.t values (2, '2026-01-01 12:34:56+00')`)
    const owner = await pool.acquire()
    const reader = await pool.acquire()
    await owner.query('begin')
    await owner.query('alter schema app rename to app_former')
    await owner.query('alter schema app_next rename to app')
    for (let use = 0; use < 4; use++) {
      expect((await reader.query(read, ['2026-01-01'])).rows).toEqual([{ id: 1 }])
    }
    await owner.query('commit and chain')
    const { rows } = await reader.query(read, ['2026-01-01 12:34:56+00'])
    await owner.query('rollback')
    owner.release()
    reader.release()
    expect(rows).toEqual([{ id: 2 }])
  })

  it.each([
    { who: 'the pool', wait: 0 },
    { who: 'another client', wait: 1_000 },
  ])(
    'T02: after a change by $who values are stored as the column is now',
    async ({ who, wait }) => {
      await open(['create table t (id int, n real, at date)'], 1_000)
      const insert = 'insert into t values ($1, $2, $3) returning id'
      const values = [0.1, '2026-01-01 12:34:56+00']
      await onEach(async (lease) => {
        for (let use = 0; use < 5; use++) await lease.query(insert, [0, ...values])
      })
      const client = who === 'the pool' ? pool : others
      await client.query('alter table t alter n type double precision, alter at type timestamptz')
      clock.advance(wait)
      await onEach((lease) => lease.query(insert, [lease.connection, ...values]))
      const stored = `select n, at = '2026-01-01 12:34:56+00' as exact from t where id > 0`
      expect((await pool.query(stored)).rows).toEqual(
        [1, 2, 3].map(() => ({ n: 0.1, exact: true })),
      )
    },
  )

  it('T02: the age counts from the Parse, however often the statement is used', async () => {
    await open(['create table t as select 1 as n'], 40_000)
    const parsedAt = async (): Promise<Date | undefined> => {
      const { rows } = await pool.query<{ at: Date }>(
        `select prepare_time as at from pg_prepared_statements where name like 'poolhouse%'`,
      )
      return rows[0]?.at
    }
    for (let use = 0; use < 3; use++) await pool.query('select n from t where n = $1', [1])
    const first = await parsedAt()
    expect(first).toBeDefined()
    for (let use = 0; use < 5; use++) await pool.query('select n from t where n = $1', [1])
    expect(await parsedAt()).toEqual(first)
    for (let use = 0; use < 10; use++) {
      clock.advance(4_000)
      await pool.query('select n from t where n = $1', [1])
    }
    expect((await parsedAt())!.getTime()).toBeGreaterThan(first!.getTime())
  })

  it('T02: with an age of 0 nothing is prepared', async () => {
    await open(['create table t as select 1 as n'], 0)
    for (let use = 0; use < 5; use++) await pool.query('select n from t where n = $1', [1])
    expect((await pool.query('select name from pg_prepared_statements')).rows).toEqual([])
  })

  it('T03: a statement that is out of date inside a transaction is worth another attempt, which is right', async () => {
    await open(column('int', '1'), 3_600_000)
    await warm('select * from t where id = $1', 1)
    await others.query('alter table t add m int default 5')
    let attempts = 0
    const rows = await pool.transaction(
      async (tx) => {
        attempts++
        return (await tx.query('select * from t where id = $1', [1])).rows
      },
      { retry: { attempts: 2 } },
    )
    expect([attempts, rows]).toEqual([2, [{ id: 1, n: 1, m: 5 }]])
  })

  it('T02: a statement that our own time limit has cancelled before it was bound is not sent again', async () => {
    await open(column('int', '1'), 3_600_000)
    await warm('select * from t where id = $1', 1)
    await others.use(async (lease) => {
      await lease.query('begin; lock table t')
      const call = pool.query(
        { text: 'select * from t where id = $1', values: [1] },
        { timeoutMs: 200 },
      )
      await expect(call).rejects.toMatchObject({
        name: 'StatementTimeoutError',
        executed: 'rolled-back',
      })
      await lease.query('rollback')
    })
    expect((await pool.query('select * from t where id = $1', [1])).rows).toEqual([{ id: 1, n: 1 }])
  })
})
