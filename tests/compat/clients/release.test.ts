import { isPoolhouseError } from '@poolhouse/core'
import { nodePostgres } from '@poolhouse/node-postgres'
import { type CreatePgPoolOptions, createPgPool } from '@poolhouse/node-postgres/compat'
import type pg from 'pg'
import Cursor from 'pg-cursor'
import { describe, expect, test, vi } from 'vitest'
import { failureOf } from '../../support/failure-of.js'
import { guardProcess } from '../../support/process-guards.js'
import { testServer } from '../../support/servers/test-server.js'
import { until } from '../../support/until.js'

guardProcess()
const server = testServer({}, 0)
const open = server.poolsOver(nodePostgres())

describe.each(['eager', 'lazy'] as const)('a client of createPgPool, %s', (checkout) => {
  const make = (options: CreatePgPoolOptions = {}): pg.Pool =>
    createPgPool(open({ max: 1 }), { checkout, ...options })

  test('has its open transaction rolled back when it is released', async () => {
    const pool = make()
    await pool.query('create table if not exists kept (n int)')
    const client = await pool.connect()
    await client.query('begin')
    await client.query('insert into kept values (1)')
    expect(client.getTransactionStatus()).toBe('T')
    client.release()
    expect((await pool.query('select count(*)::int as n from kept')).rows).toEqual([{ n: 0 }])
  })

  test('has what it set in its session undone when it is released', async () => {
    const pool = make()
    const client = await pool.connect()
    await client.query(`set search_path to pg_catalog`)
    await client.query('create temp table gone (n int)')
    await client.query('listen a_channel')
    await client.query('select pg_advisory_lock(1)')
    await client.query('prepare a_plan as select 1')
    client.release()
    const { rows } = await pool.query(
      `select current_setting('search_path') as path, to_regclass('gone') as gone,
        (select count(*)::int from pg_listening_channels()) as channels,
        (select count(*)::int from pg_locks where locktype = 'advisory') as locks,
        (select count(*)::int from pg_prepared_statements where name = 'a_plan') as plans`,
    )
    expect(rows).toEqual([{ path: '"$user", public', gone: null, channels: 0, locks: 0, plans: 0 }])
  })

  test('does first what it was given before its release', async () => {
    const pool = make()
    await pool.query('create table if not exists late (n int)')
    const client = await pool.connect()
    const begun = client.query('begin')
    const inserted = client.query('insert into late values (1)')
    const committed = client.query('commit')
    client.release()
    const commands = (await Promise.all([begun, inserted, committed])).map(({ command }) => command)
    expect(commands).toEqual(['BEGIN', 'INSERT', 'COMMIT'])
    expect((await pool.query('select count(*)::int as n from late')).rows).toEqual([{ n: 1 }])
    await pool.query('drop table late')
  })

  test('gives back its connection when it is released while its BEGIN or SET is under way', async () => {
    const pool = make()
    for (const text of ['begin', `set work_mem = '1MB'`, 'begin; select 1']) {
      const client = await pool.connect()
      const asked = client.query(text)
      client.release()
      await asked
      expect((await pool.query('show work_mem')).rows).toEqual([{ work_mem: '4MB' }])
    }
  })

  test('settles its end when it is released right after', async () => {
    const client = await make().connect()
    const asked = client.query('select pg_sleep(0.1)').catch((error: Error) => error)
    const ended = (client as unknown as pg.Client).end()
    client.release()
    await Promise.all([asked, ended])
  })

  test('is given back when a listener of connect, acquire or release throws', async () => {
    const pool = make()
    for (const event of ['connect', 'acquire', 'release'] as const) {
      pool.once(event as 'connect', () => {
        throw new Error(event)
      })
      const error = await failureOf<Error>(
        pool.connect().then((client) => {
          client.release()
        }),
      )
      expect(error.message).toBe(event)
      expect((await pool.query('select 1 as n')).rows).toEqual([{ n: 1 }])
    }
    await pool.end()
  })

  test('gives up several statements after query_timeout, and the session with them', async () => {
    const pool = make()
    const text = 'select 1; select pg_sleep(20)'
    const begun = performance.now()
    const error = await failureOf(pool.query({ text, query_timeout: 100 } as pg.QueryConfig))
    expect(performance.now() - begun).toBeLessThan(15_000)
    expect(error).toMatchObject({ message: 'Query read timeout', executed: 'unknown' })
    const client = await pool.connect()
    const asked = client.query({ text, query_timeout: 100 } as pg.QueryConfig)
    await expect(asked).rejects.toThrow('Query read timeout')
    await expect(client.query('select 1')).rejects.toThrow('not queryable')
    client.release()
    expect((await pool.query('select 1 as n')).rows).toEqual([{ n: 1 }])
  })

  test('gives up several statements after the statementTimeoutMs of the pool', async () => {
    const pool = createPgPool(open({ max: 1, statementTimeoutMs: 100 }), { checkout })
    for (const text of ['select pg_sleep(20)', 'select 1; select pg_sleep(20)']) {
      const begun = performance.now()
      const error = await failureOf(pool.query(text))
      expect(performance.now() - begun).toBeLessThan(15_000)
      expect(error).toMatchObject({ message: 'Query read timeout' })
    }
    expect((await pool.query('select 1 as n')).rows).toEqual([{ n: 1 }])
  })

  test('gives up a query after query_timeout that waits behind an open cursor', async () => {
    const client = await make().connect()
    const cursor = client.query(new Cursor('select n from generate_series(1, 9) as n'))
    await cursor.read(1)
    const late = { text: 'select 1', query_timeout: 50 } as pg.QueryConfig
    const error = await failureOf(client.query(late))
    expect(error).toMatchObject({ message: 'Query read timeout', executed: 'no' })
    expect(await cursor.read(1)).toEqual([{ n: 2 }])
    await cursor.close()
    expect((await client.query('select 1 as n')).rows).toEqual([{ n: 1 }])
    client.release()
  })

  test('refuses what it is given after its release, until it is lent again', async () => {
    const pool = make()
    const client = await pool.connect()
    client.release()
    expect(
      isPoolhouseError(await failureOf(client.query('select 1')), 'POOLHOUSE_LEASE_RELEASED'),
    ).toBe(true)
    const cursor = client.query(new Cursor('select 1'))
    await expect(cursor.read(1)).rejects.toThrow('released')
  })

  test('warns of a second release instead of throwing, if it shall', async () => {
    const warned = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
    const pool = make({ doubleRelease: 'warn' })
    const client = await pool.connect()
    client.release()
    client.release()
    expect(warned).toHaveBeenCalledExactlyOnceWith(
      'Release called on client which has already been released to the pool.',
      'PoolhouseWarning',
    )
  })

  test('cannot be taken from its next borrower by a release that comes late', async () => {
    const pool = make()
    const client = await pool.connect()
    const { release } = client
    release()
    const next = await pool.connect()
    expect(() => release()).toThrow('already been released')
    expect((await next.query('select 1 as n')).rows).toEqual([{ n: 1 }])
    next.release()
  })

  test('reads with type parsers of its own until it is released', async () => {
    const pool = make()
    const client = await pool.connect()
    client.setTypeParser(23, (text) => `<${text}>`)
    expect((await client.query('select 1 as n')).rows).toEqual([{ n: '<1>' }])
    client.release()
    const next = await pool.connect()
    expect((await next.query('select 1 as n')).rows).toEqual([{ n: 1 }])
    next.release()
  })

  test('refuses that a listener of connect changes its session', async () => {
    const pool = make()
    const failures: Error[] = []
    pool.on('connect', (client) => {
      client.query(`set timezone to 'Asia/Tokyo'`).catch((error: Error) => failures.push(error))
      client.query('select 1').catch((error: Error) => failures.push(error))
    })
    ;(await pool.connect()).release()
    await until(() => failures.length === 1)
    expect(failures[0]!.message).toContain('connection.parameters')
  })

  test('is destroyed with its transaction when it is released with an error', async () => {
    const pool = make()
    const client = await pool.connect()
    await client.query('begin')
    const { rows } = await client.query('select pg_backend_pid() as pid')
    client.release(new Error('no good'))
    await until(async () => (await server.sessions(`pid = ${rows[0].pid}`)) === 0)
  })

  test('hands on notices and notifications of its session, and what ends it', async () => {
    const pool = make()
    const client = await pool.connect()
    const heard: unknown[] = []
    client.on('notice', ({ message }) => heard.push(message))
    client.on('notification', ({ channel, payload }) => heard.push([channel, payload]))
    client.on('drain', () => heard.push('drain'))
    await client.query(`do $$ begin raise notice 'one'; end $$`)
    await client.query('listen a_channel')
    await client.query(`notify a_channel, 'two'`)
    expect(heard.filter((one) => one !== 'drain')).toEqual(['one', ['a_channel', 'two']])
    expect(heard).toContain('drain')
    const { rows } = await client.query('select pg_backend_pid() as pid')
    const ends: unknown[] = []
    client.on('error', (error) => ends.push(error))
    client.on('end', () => ends.push('end'))
    await server.sql('select pg_terminate_backend($1)', [rows[0].pid])
    await until(() => ends.length === 2)
    expect(ends).toEqual([expect.any(Error), 'end'])
    expect(client).toMatchObject({ _queryable: false })
    await expect(client.query('select 1')).rejects.toThrow()
    client.removeAllListeners()
    client.release()
  })

  test('names the process of the session that it is bound to, and has its connection', async () => {
    const pool = make()
    const client = await pool.connect()
    const named = client as unknown as { processID: number | null; secretKey: number | null }
    const pid = async (): Promise<number> =>
      (await client.query('select pg_backend_pid() as pid')).rows[0].pid
    if (checkout === 'lazy') {
      expect([named.processID, named.secretKey, client.connection]).toEqual([null, null, undefined])
    }
    await client.query('begin')
    expect(named.processID).toBe(await pid())
    expect(named.secretKey).toEqual(expect.any(Number))
    expect(client.connection.stream).toBeDefined()
    await client.query('rollback')
    expect([client.host, client.port]).toEqual(['127.0.0.1', server.port])
    client.release()
    expect(named.processID).toBe(null)
  })
})

describe('a lazy client', () => {
  const make = (): pg.Pool => createPgPool(open({ max: 1 }), { checkout: 'lazy' })

  test('keeps no connection from others while nothing pins it', async () => {
    const pool = make()
    const clients = await Promise.all([pool.connect(), pool.connect(), pool.connect()])
    const asked = clients.map(async (client) => (await client.query('select 1 as n')).rows)
    expect(await Promise.all(asked)).toEqual(clients.map(() => [{ n: 1 }]))
    for (const client of clients) client.release()
  })

  test.each([
    { what: 'a transaction', pins: ['begin'], frees: ['commit'] },
    { what: 'a chain of transactions', pins: ['begin', 'commit and chain'], frees: ['rollback'] },
    {
      what: 'a transaction with savepoints',
      pins: ['begin', 'savepoint s', 'rollback to s'],
      frees: ['end'],
    },
    {
      what: 'a transaction of several texts in one',
      pins: ['begin; select 1'],
      frees: ['select 2; commit'],
    },
    { what: 'a failed transaction', pins: ['begin', 'selec'], frees: ['rollback'] },
    { what: 'a setting', pins: [`set work_mem = '1MB'`], frees: undefined },
    { what: 'LISTEN', pins: ['listen a'], frees: undefined },
    { what: 'PREPARE', pins: ['prepare p as select 1'], frees: undefined },
    { what: 'a temporary table', pins: ['create temp table t (n int)'], frees: undefined },
    { what: 'an advisory lock', pins: ['select pg_advisory_lock(7)'], frees: undefined },
    { what: 'DISCARD', pins: ['discard all'], frees: undefined },
  ])('keeps its connection for $what, and no longer', async ({ pins, frees }) => {
    const pool = make()
    const client = await pool.connect()
    for (const text of pins) await client.query(text).catch(() => undefined)
    expect(pool.idleCount).toBe(0)
    for (const text of frees ?? []) await client.query(text)
    if (frees !== undefined) await until(() => pool.idleCount === 1)
    client.release()
    await until(() => pool.idleCount === 1)
  })

  test('keeps its connection while a cursor is open', async () => {
    const pool = make()
    const client = await pool.connect()
    const cursor = client.query(new Cursor('select n from generate_series(1, 100) as n'))
    await cursor.read(1)
    expect(pool.idleCount).toBe(0)
    await cursor.close()
    await until(() => pool.idleCount === 1)
    client.release()
  })

  test('never tells what a sequence gave to another client', async () => {
    const pool = make()
    await pool.query('create table if not exists numbered (id serial)')
    const [client, other] = await Promise.all([pool.connect(), pool.connect()])
    for (const each of [client, other]) await each.query('insert into numbered default values')
    const error = await failureOf<Error>(client.query('select lastval()'))
    expect(error.message).toContain('use RETURNING')
    expect((await client.query(`select 'lastval()' as text`)).rows).toEqual([{ text: 'lastval()' }])
    await client.query('begin')
    const made = await client.query('insert into numbered default values returning id')
    expect((await client.query('select lastval()::int as id')).rows).toEqual(made.rows)
    await client.query('rollback')
    client.release()
    other.release()
  })

  test('takes no connection for what waits for one when it is released with an error', async () => {
    const base = open({ max: 1 })
    const pool = createPgPool(base, { checkout: 'lazy' })
    const lease = await base.acquire()
    const client = await pool.connect()
    const begun = failureOf<Error>(client.query('begin'))
    await until(() => pool.waitingCount === 1)
    client.release(true)
    lease.release()
    expect((await begun).message).toContain('not queryable')
    expect((await pool.query('select 1 as n')).rows).toEqual([{ n: 1 }])
  })

  test('runs nothing by itself that was given behind a BEGIN that got no connection', async () => {
    const base = open({ max: 1, acquireTimeoutMs: 50 })
    const pool = createPgPool(base, { checkout: 'lazy' })
    await pool.query('create table if not exists orphans (n int)')
    const lease = await base.acquire()
    const client = await pool.connect()
    const begun = failureOf<Error>(client.query('begin'))
    const written = failureOf<Error>(client.query('insert into orphans values (1)'))
    expect((await begun).message).toBe('timeout exceeded when trying to connect')
    lease.release()
    expect((await written).message).toContain('not queryable')
    client.release()
    expect((await pool.query('select * from orphans')).rows).toEqual([])
  })

  test('never goes on elsewhere with a transaction whose session was lost', async () => {
    const pool = make()
    await pool.query('create table if not exists torn (n int)')
    const client = await pool.connect()
    await client.query('begin')
    const { rows } = await client.query('select pg_backend_pid() as pid')
    await server.sql('select pg_terminate_backend($1)', [rows[0].pid])
    await failureOf(client.query('insert into torn values (1)'))
    const error = await failureOf<Error>(client.query('insert into torn values (2)'))
    expect(error.message).toContain('not queryable')
    client.release()
    expect((await pool.query('select * from torn')).rows).toEqual([])
    const next = await pool.connect()
    expect((await next.query('select 1 as n')).rows).toEqual([{ n: 1 }])
    next.release()
  })
})
