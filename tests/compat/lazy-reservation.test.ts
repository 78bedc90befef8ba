import { postgresJs } from '@poolhouse/postgres-js'
import { createRoutedSql } from '@poolhouse/postgres-js/compat'
import { expect, test } from 'vitest'
import { failureOf } from '../support/failure-of.js'
import { guardProcess } from '../support/process-guards.js'
import { testServer } from '../support/servers/test-server.js'
import { until } from '../support/until.js'

guardProcess()
const server = testServer({}, 0)
const open = server.poolsOver(postgresJs())

test('a lazy reservation takes no connection for what waits for one when it is released', async () => {
  const pool = open({ max: 1 })
  const sql = createRoutedSql(pool, { checkout: 'lazy' })
  const reserved = await sql.reserve()
  await reserved`select 1`
  const lease = await pool.acquire()
  const begun = failureOf<Error>(reserved.unsafe('begin').execute())
  await until(() => pool.stats().pending === 1)
  reserved.release()
  lease.release()
  expect((await begun).message).toContain('released')
  expect([...(await sql`select 1 as n`)]).toEqual([{ n: 1 }])
})

test('a lazy reservation runs nothing by itself that was given behind a BEGIN that got no connection', async () => {
  const pool = open({ max: 1, acquireTimeoutMs: 1_000 })
  const sql = createRoutedSql(pool, { checkout: 'lazy' })
  await sql`create table if not exists orphans (n int)`
  const reserved = await sql.reserve()
  const lease = await pool.acquire()
  const begun = failureOf<Error>(reserved.unsafe('begin').execute())
  const written = failureOf<Error>(reserved.unsafe('insert into orphans values (1)').execute())
  expect((await begun).message).toContain('CONNECT_TIMEOUT')
  lease.release()
  expect((await written).message).toContain('got no connection')
  reserved.release()
  expect([...(await sql`select * from orphans`)]).toEqual([])
})

test('a lazy reservation gives back its connection when it is released while its BEGIN is under way', async () => {
  const pool = open({ max: 1 })
  const sql = createRoutedSql(pool, { checkout: 'lazy' })
  for (const text of ['begin', `set work_mem = '1MB'`]) {
    const reserved = await sql.reserve()
    const asked = reserved
      .unsafe(text)
      .execute()
      .catch(() => undefined)
    reserved.release()
    await asked
    expect([...(await sql`show work_mem`)]).toEqual([{ work_mem: '4MB' }])
  }
})

test('a lazy reservation never tells what a sequence gave to another one', async () => {
  const sql = createRoutedSql(open({ max: 1 }), { checkout: 'lazy' })
  await sql`create table if not exists numbered (id serial)`
  const [reserved, other] = [await sql.reserve(), await sql.reserve()]
  for (const each of [reserved, other]) await each`insert into numbered default values`
  const error = await failureOf<Error>(Promise.resolve(reserved`select lastval()`))
  expect(error.message).toContain('use RETURNING')
  await reserved`begin`
  const [made] = await reserved`insert into numbered default values returning id`
  expect([...(await reserved`select lastval()::int as id`)]).toEqual([made])
  await reserved`rollback`
  reserved.release()
  other.release()
})
