import { DatabaseError } from '@poolhouse/core'
import { typeParsers } from '@poolhouse/core/types'
import { type Cluster, startCluster } from '@poolhouse/testkit'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { PgClient } from '../../src/pg-module.js'
import { failure, openSession } from '../open-session.js'

let cluster: Cluster

beforeAll(async () => {
  cluster = await startCluster({ replicas: 0 })
})

afterAll(async () => {
  await cluster?.stop()
})

describe('a result', () => {
  it('has rows, count, command and the described columns', async () => {
    await using session = await openSession(cluster, cluster.primary)
    await session.query('create temp table fruit (id int primary key, name varchar(7))')
    const inserted = await session.query('insert into fruit values (1, $1), (2, $2)', [
      'fig',
      'kiwi',
    ])
    expect(inserted).toEqual({ rows: [], rowCount: 2, command: 'INSERT', fields: [] })
    const selected = await session.query('select id, name, id * 2 as twice from fruit order by id')
    const [table] = (await session.query<{ oid: number }>(`select 'fruit'::regclass::oid`)).rows
    expect(selected).toEqual({
      rows: [
        { id: 1, name: 'fig', twice: 2 },
        { id: 2, name: 'kiwi', twice: 4 },
      ],
      rowCount: 2,
      command: 'SELECT',
      fields: [
        {
          name: 'id',
          tableID: table?.oid,
          columnID: 1,
          dataTypeID: 23,
          dataTypeSize: 4,
          dataTypeModifier: -1,
          format: 'text',
        },
        {
          name: 'name',
          tableID: table?.oid,
          columnID: 2,
          dataTypeID: 1043,
          dataTypeSize: -1,
          dataTypeModifier: 11,
          format: 'text',
        },
        {
          name: 'twice',
          tableID: 0,
          columnID: 0,
          dataTypeID: 23,
          dataTypeSize: 4,
          dataTypeModifier: -1,
          format: 'text',
        },
      ],
    })
  })

  it('has the whole command, and a count only where the server sends one', async () => {
    await using session = await openSession(cluster, cluster.primary)
    const outcome = async (text: string) => {
      const { command, rowCount } = await session.query(text)
      return [command, rowCount]
    }
    expect(await outcome('create temp table t (n int)')).toEqual(['CREATE TABLE', null])
    expect(await outcome('begin')).toEqual(['BEGIN', null])
    expect(await outcome('insert into t select generate_series(1, 12)')).toEqual(['INSERT', 12])
    expect(await outcome('update t set n = 0 where n > 10')).toEqual(['UPDATE', 2])
    expect(await outcome('delete from t')).toEqual(['DELETE', 12])
    expect(await outcome('commit')).toEqual(['COMMIT', null])
    expect(await outcome('')).toEqual(['', null])
    await session.query('begin')
    await failure(session.query('select 1/0'))
    expect(await outcome('commit')).toEqual(['ROLLBACK', null])
  })

  it('has rows as arrays on request, with separate values for columns of the same name', async () => {
    await using session = await openSession(cluster, cluster.primary)
    const { rows } = await session.query({
      text: 'select 1 as a, null as a, 3 as b',
      rowMode: 'array',
    })
    expect(rows).toEqual([[1, null, 3]])
  })

  it('keeps a column called __proto__ as a column', async () => {
    await using session = await openSession(cluster, cluster.primary)
    const { rows } = await session.query('select 1 as "__proto__"')
    expect(Object.entries(rows[0]!)).toEqual([['__proto__', 1]])
  })

  it('is that of the last command of a text with several', async () => {
    await using session = await openSession(cluster, cluster.primary)
    const last = await session.query('select 1 as a; select 2 as b')
    expect(last.rows).toEqual([{ b: 2 }])
    const silent = await session.query('select 1 as a; set work_mem = 9999')
    expect(silent).toEqual({ rows: [], rowCount: null, command: 'SET', fields: [] })
  })

  it('is read by the parsers of the context, also on raw', async () => {
    const types = typeParsers({ int4: (text) => `<${text}>` })
    await using session = await openSession(cluster, cluster.primary, { types })
    const text = 'select 7 as n, array[1, 2] as a, 3::bigint as b, null::int as z'
    const rows = [{ n: '<7>', a: ['<1>', '<2>'], b: '3', z: null }]
    expect((await session.query(text)).rows).toEqual(rows)
    const named = { text, name: 'named' }
    for (let use = 0; use < 2; use++) expect((await session.query(named)).rows).toEqual(rows)
    const raw = session.connection.raw as PgClient & {
      query(text: string): Promise<{ rows: unknown[] }>
    }
    expect((await raw.query(text)).rows).toEqual(rows)
  })

  it('is read by the canonical parsers, not those of pg, when the context has none', async () => {
    await using session = await openSession(cluster, cluster.primary)
    const raw = session.connection.raw as PgClient & {
      query(text: string): Promise<{ rows: unknown[] }>
      setTypeParser(oid: number, parse: unknown): void
    }
    // `pg` would make an object of the interval and a local date of the date.
    const text = `select interval '1 day' as i, date '2024-02-29' as d, true as b`
    const rows = [{ i: '1 day', d: '2024-02-29', b: true }]
    expect((await session.query(text)).rows).toEqual(rows)
    expect((await raw.query(text)).rows).toEqual(rows)
    raw.setTypeParser(16, () => 'mine')
    expect((await raw.query(text)).rows).toEqual([{ ...rows[0], b: 'mine' }])
    expect((await session.query(text)).rows).toEqual(rows)
  })

  it('leaves binary values on raw to pg', async () => {
    await using session = await openSession(cluster, cluster.primary)
    const raw = session.connection.raw as unknown as {
      query(statement: object): Promise<{ rows: unknown[] }>
    }
    const { rows } = await raw.query({ text: 'select 7 as n', values: [], binary: true, name: 'b' })
    expect(rows).toEqual([{ n: 7 }])
  })

  it('rejects with executed "yes" when a type parser throws, and the session goes on', async () => {
    const types = typeParsers({
      bool: () => {
        throw new Error('no booleans today')
      },
    })
    await using session = await openSession(cluster, cluster.primary, { types })
    const error = await failure(session.query('select true from generate_series(1, 3)'))
    expect(error).toMatchObject({
      executed: 'yes',
      message: 'a row of the result cannot be read: no booleans today; see POOLHOUSE_ERROR',
    })
    expect((await session.query('select 1 as n')).rows).toEqual([{ n: 1 }])
  })
})

describe('an error of the server', () => {
  it('carries every field and the error of pg as its cause', async () => {
    await using session = await openSession(cluster, cluster.primary)
    await session.query('create temp table t (n int constraint small check (n < 10))')
    const error = await failure<DatabaseError>(session.query('insert into t values (11)'))
    expect(error).toBeInstanceOf(DatabaseError)
    expect(error).toMatchObject({
      code: '23514',
      severity: 'ERROR',
      executed: 'rolled-back',
      table: 't',
      constraint: 'small',
      detail: 'Failing row contains (11).',
    })
    expect(error.schema).toMatch(/^pg_temp/)
    expect(error.cause).toMatchObject({ code: '23514', routine: 'ExecConstraints' })
    const syntax = await failure<DatabaseError>(session.query('select nothing from nowhere'))
    expect(syntax).toMatchObject({ code: '42P01', position: 21 })
  })

  it('settles at ReadyForQuery, when the transaction status is known', async () => {
    await using session = await openSession(cluster, cluster.primary)
    const { connection } = session
    expect(connection.transactionStatus()).toBe('idle')
    await session.query('begin')
    expect(connection.transactionStatus()).toBe('active')
    const statuses: string[] = []
    await new Promise<void>((resolve) => {
      connection.run({ text: 'select 1/0', name: 'boom' }, (error) => {
        expect(error).toMatchObject({ code: '22012' })
        statuses.push(connection.transactionStatus())
        expect(connection.inFlight).toBe(0)
        resolve()
      })
      statuses.push(connection.transactionStatus())
      expect(connection.inFlight).toBe(1)
    })
    expect(statuses).toEqual(['unknown', 'failed'])
    await session.query('rollback')
    expect(connection.transactionStatus()).toBe('idle')
  })

  it('of a deferred constraint at the end of a transaction leaves the session idle', async () => {
    await using session = await openSession(cluster, cluster.primary)
    await session.query('create temp table t (n int unique deferrable initially deferred)')
    await session.query('insert into t values (1)')
    const error = await failure(session.query('insert into t values ($1)', [1]))
    expect(error).toMatchObject({ code: '23505', executed: 'rolled-back' })
    expect(session.connection.transactionStatus()).toBe('idle')
  })
})

describe('run', () => {
  it('accepts several statements at once, runs them in order and counts all as in flight', async () => {
    await using session = await openSession(cluster, cluster.primary)
    const { connection } = session
    const order: number[] = []
    const all = [1, 2, 3].map((n) =>
      session.query(`select pg_sleep(${n === 1 ? 0.05 : 0})`).then(() => order.push(n)),
    )
    expect(connection.inFlight).toBe(3)
    expect(connection.transactionStatus()).toBe('unknown')
    await Promise.all(all)
    expect(order).toEqual([1, 2, 3])
    expect(connection.inFlight).toBe(0)
  })

  it('queues a statement that is started in done behind waiting ones', async () => {
    await using session = await openSession(cluster, cluster.primary)
    const order: string[] = []
    await new Promise<void>((resolve) => {
      session.connection.run({ text: 'select 1' }, () => {
        order.push('first')
        session.connection.run({ text: 'select 3' }, () => {
          order.push('from done')
          resolve()
        })
      })
      session.connection.run({ text: 'select 2' }, () => order.push('second'))
    })
    expect(order).toEqual(['first', 'second', 'from done'])
  })

  it('shares the client with statements that are run on raw', async () => {
    await using session = await openSession(cluster, cluster.primary)
    const raw = session.connection.raw as PgClient & {
      query(text: string): Promise<{ rows: unknown[] }>
    }
    const direct = raw.query('select 1 as n, pg_sleep(0.05)')
    expect(session.connection.transactionStatus()).toBe('unknown')
    const ours = session.query('select 2 as n')
    expect((await direct).rows).toMatchObject([{ n: 1 }])
    expect((await ours).rows).toEqual([{ n: 2 }])
    expect(session.connection.transactionStatus()).toBe('idle')
  })

  it('refuses undefined and unserialisable values before anything is sent', async () => {
    await using session = await openSession(cluster, cluster.primary)
    const statement = { text: 'select $1::text, $2::text', name: 'two' }
    const missing = await failure(session.query({ ...statement, values: ['a', undefined] }))
    expect(missing).toBeInstanceOf(TypeError)
    expect(missing.message).toBe('values[1] is undefined; use null')
    const circular: { self?: unknown } = {}
    circular.self = circular
    const unwritable = await failure(session.query({ ...statement, values: ['a', circular] }))
    expect(unwritable).toBeInstanceOf(TypeError)
    expect(unwritable.message).toMatch(/^values\[1\] cannot be sent to PostgreSQL: /)
    const { rows } = await session.query({ ...statement, values: ['a', null], rowMode: 'array' })
    expect(rows).toEqual([['a', null]])
  })

  it('refuses more values than the protocol allows', async () => {
    await using session = await openSession(cluster, cluster.primary)
    const values = Array.from({ length: 65_536 }, () => 1)
    expect(await failure(session.query('select 1', values))).toBeInstanceOf(RangeError)
    expect((await session.query('select 1 as n')).rows).toEqual([{ n: 1 }])
  })

  it('goes on after the server has refused a text with a NUL character', async () => {
    await using session = await openSession(cluster, cluster.primary)
    expect(await failure(session.query('select 1 as n\0'))).toMatchObject({ code: '08P01' })
    expect((await session.query('select 1 as n')).rows).toEqual([{ n: 1 }])
  })

  it('serialises values by the rules of pg', async () => {
    await using session = await openSession(cluster, cluster.primary)
    const date = new Date('2024-02-29T12:34:56.789Z')
    const values = [
      5,
      true,
      date,
      [1, null, 2],
      { a: 1 },
      Buffer.from([0, 255]),
      12345678901234567890n,
    ]
    const { rows } = await session.query({
      text: 'select $1::int, $2::bool, $3::timestamptz, $4::int[], $5::jsonb, $6::bytea, $7::numeric',
      values,
      rowMode: 'array',
    })
    expect(rows).toEqual([[...values.slice(0, 6), '12345678901234567890']])
  })
})

describe('a named statement', () => {
  it('is parsed once for each session and survives errors', async () => {
    await using session = await openSession(cluster, cluster.primary)
    const statement = { text: 'select 10 / $1::int as n', name: 'divide' }
    expect((await session.query({ ...statement, values: [5] })).rows).toEqual([{ n: 2 }])
    expect(await failure(session.query({ ...statement, values: [0] }))).toMatchObject({
      code: '22012',
    })
    expect(await failure(session.query({ ...statement, values: ['x'] }))).toMatchObject({
      code: '22P02',
    })
    const again = await session.query({ ...statement, values: [2] })
    expect(again).toMatchObject({ rows: [{ n: 5 }], rowCount: 1, command: 'SELECT' })
    expect(again.fields).toMatchObject([{ name: 'n', dataTypeID: 23 }])
    const { rows } = await session.query('select count(*)::int as n from pg_prepared_statements')
    expect(rows).toEqual([{ n: 1 }])
  })

  it('with a wrong text fails every time with the error of the server', async () => {
    await using session = await openSession(cluster, cluster.primary)
    const statement = { text: 'selec 1', name: 'typo' }
    expect(await failure(session.query(statement))).toMatchObject({ code: '42601' })
    expect(await failure(session.query(statement))).toMatchObject({ code: '42601' })
  })

  it('is refused with another text, and the session goes on', async () => {
    await using session = await openSession(cluster, cluster.primary)
    await session.query({ text: 'select 1 as n', name: 'constructor' })
    const refused = session.query({ text: 'select 2 as n', name: 'constructor' })
    const behind = session.query('select 3 as n')
    expect(await failure(refused)).toBeInstanceOf(TypeError)
    expect((await behind).rows).toEqual([{ n: 3 }])
    expect(session.connection.inFlight).toBe(0)
  })

  it('is refused when PostgreSQL would truncate its name', async () => {
    await using session = await openSession(cluster, cluster.primary)
    const error = await failure(session.query({ text: 'select 1', name: 'n'.repeat(64) }))
    expect(error).toBeInstanceOf(TypeError)
    const { rows } = await session.query({ text: 'select 1 as n', name: 'n'.repeat(63) })
    expect(rows).toEqual([{ n: 1 }])
  })

  it('is prepared again when the server has lost it', async () => {
    await using session = await openSession(cluster, cluster.primary)
    const statement = { text: 'select $1::int as n', name: 'lost', values: [1] }
    await session.query(statement)
    await session.query('discard all')
    expect((await session.query(statement)).rows).toEqual([{ n: 1 }])
    await session.query('deallocate all')
    expect((await session.query(statement)).rows).toEqual([{ n: 1 }])
  })

  it('is prepared again when its table has changed', async () => {
    await using session = await openSession(cluster, cluster.primary)
    await session.query('create temp table t as select 1 as a')
    const statement = { text: 'select * from t', name: 'star' }
    expect((await session.query(statement)).rows).toEqual([{ a: 1 }])
    await session.query('alter table t add b int default 2')
    const changed = await session.query(statement)
    expect(changed.rows).toEqual([{ a: 1, b: 2 }])
    expect(changed.fields.map((field) => field.name)).toEqual(['a', 'b'])
  })

  it('that is outdated in a transaction fails there, and is prepared again afterwards', async () => {
    await using session = await openSession(cluster, cluster.primary)
    await session.query('create table wide as select 1 as a')
    await session.query(`create function widen() returns int language plpgsql as
      $$ begin alter table wide add b int default 2; return 1; end $$`)
    const statement = { text: 'select * from wide', name: 'star' }
    await session.query(statement)
    await session.query('begin')
    await session.query('select widen()')
    expect(await failure(session.query(statement))).toMatchObject({
      code: '0A000',
      retryable: true,
    })
    expect(session.connection.transactionStatus()).toBe('failed')
    await session.query('rollback')
    expect((await session.query(statement)).rows).toEqual([{ a: 1 }])
  })

  it('that fetches from a cursor returns the columns of the current cursor', async () => {
    await using session = await openSession(cluster, cluster.primary)
    const fetch = { text: 'fetch 1 from c', name: 'fetch' }
    const rows: unknown[] = []
    for (const select of ['select 1 as a', `select 'x' as b`]) {
      await session.query('begin')
      await session.query(`declare c cursor for ${select}`)
      rows.push((await session.query({ ...fetch, name: `${fetch.name}` })).rows[0])
      await session.query('rollback')
    }
    expect(rows).toEqual([{ a: 1 }, { b: 'x' }])
  })
})

describe('the listener', () => {
  it('gets notices, notifications and parameters while the session is open', async () => {
    await using session = await openSession(cluster, cluster.primary)
    expect(session.connection.info.parameters.get('application_name')).toBe('poolhouse-test')
    expect(session.heard.parameters).toEqual([])
    await session.query(`do $$ begin raise warning 'careful' using errcode = '01234'; end $$`)
    await session.query('listen news')
    await session.query(`notify news, 'hello'`)
    await session.query(`set application_name = 'other'`)
    expect(session.heard.notices).toEqual([
      { severity: 'WARNING', code: '01234', message: 'careful', routine: 'exec_stmt_raise' },
    ])
    expect(session.heard.notifications).toEqual([['news', 'hello']])
    expect(session.heard.parameters).toEqual([['application_name', 'other']])
    expect(session.connection.info.parameters.get('application_name')).toBe('other')
  })
})

describe('info', () => {
  it('has the address of the peer, the process ID of the server and the time of its last byte', async () => {
    await using session = await openSession(cluster, cluster.primary, { host: 'localhost' })
    const { info } = session.connection
    expect(info.address).toMatch(/^(127\.0\.0\.1|::1)$/)
    expect(info.port).toBe(cluster.primary.port)
    expect((await session.query('select pg_backend_pid() as pid')).rows).toEqual([
      { pid: info.backendPid },
    ])
    const before = session.connection.lastByteAt
    const sentAt = performance.now()
    await session.query('select pg_sleep(0.02)')
    expect(session.connection.lastByteAt).toBeGreaterThan(before)
    expect(session.connection.lastByteAt).toBeGreaterThanOrEqual(sentAt + 19)
    expect(session.connection.lastByteAt).toBeLessThanOrEqual(performance.now())
  })

  it('shows the parameters of the session', async () => {
    await using session = await openSession(cluster, cluster.primary, {
      parameters: {
        search_path: '"a b", c',
        statement_timeout: '1234',
        'my.tenant': "it's \\ a\ttab\n",
      },
    })
    const show = async (name: string) =>
      Object.values((await session.query(`show ${name}`)).rows[0]!)[0]
    expect(await show('search_path')).toBe('"a b", c')
    expect(await show('statement_timeout')).toBe('1234ms')
    expect(await show('my.tenant')).toBe("it's \\ a\ttab\n")
    expect(await show('client_encoding')).toBe('UTF8')
  })
})
