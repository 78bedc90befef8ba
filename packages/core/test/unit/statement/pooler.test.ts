import { expect, test } from 'vitest'
import { readPoolOptions } from '../../../src/api/pool-config.js'
import { isPoolhouseError, type PoolOptions, SessionStateError } from '../../../src/index.js'
import { throughPooler } from '../../../src/statement/through-pooler.js'
import { fakeDriver, virtualClock } from '../../../src/testing/index.js'
import { harness, watch } from '../../harness.js'

const driver = fakeDriver({ clock: virtualClock() })
const connection = 'postgres://me@localhost/app'
const read = (options: object) =>
  readPoolOptions({ driver, connection, pooler: 'pgbouncer', ...options } as PoolOptions)
const send = (text: string) => throughPooler('test', 'pgbouncer', { text })

test.each([
  ['SET search_path = x', 'SET', 'SET LOCAL'],
  ['set session characteristics as transaction read only', 'SET', 'SET LOCAL'],
  ['set role admin', 'SET', 'SET LOCAL'],
  ['reset all', 'RESET', 'SET LOCAL'],
  ['listen jobs', 'LISTEN', undefined],
  ['unlisten *', 'UNLISTEN', undefined],
  ['prepare p as select 1', 'PREPARE', undefined],
  ['deallocate p', 'DEALLOCATE', undefined],
  ['discard all', 'DISCARD', undefined],
  ["load 'auto_explain'", 'LOAD', undefined],
  ['select pg_advisory_lock(1)', 'SELECT with pg_advisory_lock()', 'pg_advisory_xact_lock()'],
  [
    'with t as (select pg_try_advisory_lock (1) as ok) select ok from t',
    'WITH with pg_try_advisory_lock()',
    'pg_try_advisory_xact_lock()',
  ],
  ['select setseed(0.5), random()', 'SELECT with setseed()', undefined],
  [
    "select set_config('a.b', $1, false)",
    'SELECT with set_config()',
    'set_config(name, value, true)',
  ],
  ['select set_config($1, $2, $3)', 'SELECT with set_config()', 'set_config(name, value, true)'],
  ["select set_config('a', 'b', true = $1)", 'SELECT with set_config()', undefined],
  ["select set_config('a', f(true), not true)", 'SELECT with set_config()', undefined],
  ['create temp table t (a int)', 'CREATE of a temporary object', 'ON COMMIT DROP'],
  ['create local temporary table t as select 1', 'CREATE of a temporary object', 'ON COMMIT DROP'],
  ['create or replace temp view v as select 1', 'CREATE of a temporary object', undefined],
  [
    'create function pg_temp.f() returns int language sql as $$ select 1 $$',
    'CREATE of a',
    undefined,
  ],
  ['select 1 into temp t', 'SELECT of a temporary object', 'ON COMMIT DROP'],
  ['declare c cursor with hold for select 1', 'DECLARE … WITH HOLD', 'DECLARE without HOLD'],
  ['select 1; set a.b = 2', 'SET', 'SET LOCAL'],
  ['/* why */ set a.b = 2', 'SET', 'SET LOCAL'],
  [
    `select "set_config"('a.b', 'c', false)`,
    'SELECT with set_config()',
    'set_config(name, value, true)',
  ],
  ['select "pg_advisory_lock"(1)', 'SELECT with pg_advisory_lock()', 'pg_advisory_xact_lock()'],
  [
    'select U&"set\\005fconfig"($1, $2, $3)',
    'SELECT with set_config()',
    'set_config(name, value, true)',
  ],
  [
    `select U&"set!005fconfig" uescape '!' ('a', 'b', false)`,
    'SELECT with set_config()',
    'set_config(name, value, true)',
  ],
  ['-- x\rset a.b = 2', 'SET', 'SET LOCAL'],
  ['set local.x = 1', 'SET', 'SET LOCAL'],
  ['set local seed = 0.5', 'SET', 'SET LOCAL'],
  ['execute p', 'EXECUTE', undefined],
  ['explain analyze execute p', 'EXECUTE', undefined],
  ['create table t as execute p', 'EXECUTE', undefined],
  ['create table pg_temp_3.t (a int)', 'CREATE of a temporary object', undefined],
  ['create table "pg_temp_3"."t" (a int)', 'CREATE of a temporary object', undefined],
  ['select pg_advisory_unlock(1)', 'SELECT with pg_advisory_unlock()', undefined],
  ['select (7::bigint).pg_advisory_lock', 'SELECT with pg_advisory_lock()', undefined],
  ["select dblink_connect('host=x')", 'SELECT with dblink_connect()', undefined],
  ['create table "pg_temp".t (a int)', 'CREATE of a temporary object', undefined],
  ["update pg_settings set setting = '1'", 'UPDATE of pg_settings', 'SET LOCAL'],
])('refuses %s, naming the first word, the option and the way out', (text, what, instead) => {
  expect(() => send(text)).toThrow(SessionStateError)
  expect(() => send(text)).toThrow(`pool "test" cannot send ${what}`)
  expect(() => send(text)).toThrow("with pooler 'pgbouncer'")
  expect(() => send(text)).toThrow('use a pool that goes straight to the server')
  if (instead !== undefined) expect(() => send(text)).toThrow(instead)
})

test.each([
  'select 1',
  'set local search_path = x',
  'set transaction isolation level serializable',
  'set constraints all deferred',
  "select set_config('app.tenant', $1, true)",
  "select set_config(setting_name => 'a', new_value => f('x', (1)), is_local => true)",
  'select pg_advisory_xact_lock(1)',
  'select temp, temporary from readings',
  'select pg_advisory_lock from audit',
  "select 'set a = b; listen c' as set_config",
  'create temp table t (a int) on commit drop',
  'create table readings (temp int)',
  'declare c cursor without hold for select 1',
  'update t set temp = 1',
  'create function f() returns int begin atomic select 1; end',
  'create rule r as on insert to t do also (delete from u; notify x)',
  'create trigger r after insert on t execute function f()',
  'do $$ begin perform 1; end $$',
  'call p()',
  "notify jobs, 'x'",
])('sends %s, which leaves nothing behind', (text) => {
  expect(send(text)).toEqual({ text })
})

test('ignores the names of statements and keeps the rest', () => {
  const statement = { text: 'select $1', values: [1], name: 'one', rowMode: 'array' as const }
  expect(throughPooler('test', 'pgbouncer', statement)).toEqual({
    text: 'select $1',
    values: [1],
    rowMode: 'array',
  })
})

test('prepares nothing by itself, and refuses to be told to', () => {
  expect(read({}).prepare).toBeUndefined()
  expect(read({ prepare: 'off' }).prepare).toBeUndefined()
  expect(read({ pooler: undefined }).prepare).toBeDefined()
  expect(() => read({ prepare: 'auto' })).toThrow(
    "createPool: prepare must be 'off' or left out with pooler 'pgbouncer'",
  )
})

test('knows no other pooler', () => {
  expect(() => read({ pooler: 'pgcat' })).toThrow(/createPool: pooler must be .*"pgcat"/)
})

test('refuses start-up parameters that PgBouncer would refuse, at once and when reconfigured', () => {
  const parameters = { statement_timeout: 100, application_name: 'x' }
  const settings = { host: 'localhost', user: 'me', parameters }
  expect(() => read({ connection: settings })).toThrow(
    "createPool: connection.parameters must not set statement_timeout with pooler 'pgbouncer'",
  )
  const named = { ...settings, parameters: { application_name: 'x' } }
  expect(read({ connection: named }).settings.parameters).toEqual({ application_name: 'x' })
  const { pool } = harness({ pooler: 'pgbouncer' })
  expect(() => pool.reconfigure({ connection: settings })).toThrow(
    'reconfigure: connection.parameters must not set statement_timeout',
  )
})

test('refuses a session change before anything is sent, and lends the same connection on', async () => {
  const { clock, pool, session } = harness({ max: 1, pooler: 'pgbouncer' })
  const refused = watch(pool.query('set a.b = 1'))
  await clock.settle()
  expect(isPoolhouseError(refused.error, 'POOLHOUSE_SESSION_STATE')).toBe(true)
  expect(refused.error).toMatchObject({ executed: 'no', retryable: false })
  const next = watch(pool.query('select 1'))
  await clock.settle()
  expect(next.state).toBe('resolved')
  expect(session().statements).toEqual(['select 1'])
  expect(pool.stats()).toMatchObject({ total: 1, idle: 1 })
})

test('refuses a session change inside a transaction, which goes on', async () => {
  const { clock, pool, session } = harness({ max: 1, pooler: 'pgbouncer' })
  const done = watch(
    pool.transaction(async (tx) => {
      await expect(tx.query('listen jobs')).rejects.toBeInstanceOf(SessionStateError)
      await tx.query('set local a.b = 1')
    }),
  )
  await clock.settle()
  expect(done.state).toBe('resolved')
  expect(session().statements).toEqual(['BEGIN', 'set local a.b = 1', 'COMMIT'])
})

test('rolls an open transaction back at its release and resets no session', async () => {
  const { clock, pool, session } = harness({ max: 1, pooler: 'pgbouncer' })
  const lease = watch(pool.acquire())
  await clock.settle()
  watch(lease.value!.query('begin'))
  await clock.settle()
  lease.value!.release()
  await clock.settle()
  expect(session().statements).toEqual(['begin', 'rollback'])
})

test('does not take parameters that drift between server sessions for a change of its own', async () => {
  const { clock, driver: fake, pool, session } = harness({ max: 1, pooler: 'pgbouncer' })
  const lease = watch(pool.acquire())
  await clock.settle()
  ;[...fake.open][0]!.report('TimeZone', 'Asia/Tokyo')
  lease.value!.release()
  await clock.settle()
  expect(session().statements).toEqual([])
})

test('closes a connection whose raw client was taken instead of resetting whichever session answers', async () => {
  const { clock, driver: fake, pool } = harness({ max: 1, pooler: 'pgbouncer' })
  const lease = watch(pool.acquire())
  await clock.settle()
  const first = [...fake.open][0]!
  expect(lease.value!.raw).toBe(first)
  lease.value!.release()
  await clock.settle()
  expect(first.alive).toBe(false)
  expect(first.statements).toEqual([])
})
