import type { Pool } from '@poolhouse/core'
import { postgresJs } from '@poolhouse/postgres-js'
import { createRoutedSql, type RoutedSqlOptions } from '@poolhouse/postgres-js/compat'
import type { ReplicasOptions } from '@poolhouse/read-replicas'
import type { RowList, Sql } from 'postgres'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  type ReplicaCluster,
  startReplicaCluster,
  untilFitting,
} from '../read-replicas/replica-cluster.js'
import { failureOf } from '../support/failure-of.js'
import { guardProcess } from '../support/process-guards.js'

guardProcess()
let setting: ReplicaCluster
beforeAll(async () => {
  setting = await startReplicaCluster()
})
afterAll(() => setting?.[Symbol.asyncDispose]())

interface Routed extends AsyncDisposable {
  readonly sql: Sql
  readonly db: Pool
}

async function connect(options?: RoutedSqlOptions, replicas?: ReplicasOptions): Promise<Routed> {
  const made = setting.connect(postgresJs(), { classify: 'conservative', ...replicas })
  await untilFitting(made.db, ['b', 'c'])
  return {
    sql: createRoutedSql(made.db, options),
    db: made.db,
    [Symbol.asyncDispose]: () => made[Symbol.asyncDispose](),
  }
}

const node = (result: unknown): string | undefined => (result as { node?: string }).node
const inRecovery = (result: RowList<{ standby: boolean }[]>): boolean => result[0]!.standby
const REPLICA = /^[bc]$/

describe('a routed sql over a primary and its replicas', () => {
  it('reads on a replica, writes on the primary, and reads its own writes', async () => {
    await using routed = await connect()
    const { sql } = routed
    expect(node(await sql`select count(*) from notes`)).toMatch(REPLICA)
    expect(node(await sql.unsafe('select count(*) from notes where id = $1', [1]))).toMatch(REPLICA)
    for (let id = 1; id <= 20; id++) {
      expect(node(await sql`insert into notes values (${id})`)).toBe('a')
      const rows = await sql`select id from notes where id = ${id}`
      expect(rows).toHaveLength(1)
    }
    expect(node(await sql`with gone as (delete from notes returning id) select * from gone`)).toBe(
      'a',
    )
  })

  it('runs transactions on the primary, and those that only read on a replica', async () => {
    await using routed = await connect()
    const { sql } = routed
    const where = (tx: Sql) => tx<{ standby: boolean }[]>`select pg_is_in_recovery() as standby`
    expect(inRecovery(await sql.begin((tx) => where(tx as unknown as Sql)))).toBe(false)
    expect(inRecovery(await sql.begin('read only', (tx) => where(tx as unknown as Sql)))).toBe(true)
    const repeatable = 'isolation level repeatable read, read only'
    expect(inRecovery(await sql.begin(repeatable, (tx) => where(tx as unknown as Sql)))).toBe(true)
    const reserved = await sql.reserve()
    expect(inRecovery(await where(reserved))).toBe(false)
    reserved.release()
  })

  it('sends a read that turns out to write to the primary', async () => {
    await using routed = await connect({}, { classify: 'optimistic' })
    const { sql } = routed
    await setting.primary.sql(
      `create or replace function note(int) returns int language sql as 'insert into notes values ($1) returning id'`,
    )
    const result = await sql`select note(${99}) as id`
    expect([node(result), [...result]]).toEqual(['a', [{ id: 99 }]])
  })

  it('sends everything to the primary if told so, and bounds the age of reads', async () => {
    await using primary = await connect({ reads: 'primary' })
    expect(node(await primary.sql`select 1`)).toBe('a')
    const standby = await primary.sql.begin(
      'read only',
      (tx) => tx`select pg_is_in_recovery() as s`,
    )
    expect(standby[0]).toEqual({ s: false })
    const written = primary.sql.begin('read only', (tx) => tx`insert into notes values (1)`)
    expect(await failureOf(written)).toMatchObject({ code: '25006' })
    await using bounded = await connect({ reads: { maxStalenessMs: 60_000 } })
    expect(node(await bounded.sql`select count(*) from notes`)).toMatch(REPLICA)
  })

  it('streams a cursor from a replica', async () => {
    await using routed = await connect({ fetch_types: false })
    const acquired: string[] = []
    routed.db.on('acquire', ({ pool }) => acquired.push(pool))
    let rows = 0
    for await (const batch of routed.sql`select count(*) from notes`.cursor(10))
      rows += batch.length
    expect(rows).toBe(1)
    expect(acquired.some((name) => REPLICA.test(name))).toBe(true)
  })

  it('reserves lazily: lone statements are routed, and a transaction has a connection', async () => {
    await using routed = await connect({ checkout: 'lazy' })
    const reserved = await routed.sql.reserve()
    const leased = (): number => routed.db.stats().leased
    expect(node(await reserved.unsafe('select count(*) from notes', []))).toMatch(REPLICA)
    expect(leased()).toBe(0)
    await reserved.unsafe('begin')
    expect(leased()).toBe(1)
    const inside = await reserved.unsafe(
      'select pg_is_in_recovery() as standby, txid_current() as x',
    )
    expect(inside[0]).toMatchObject({ standby: false })
    await reserved.unsafe('insert into notes values ($1)', [7])
    await reserved.unsafe('commit')
    expect(leased()).toBe(0)
    expect(await reserved.unsafe('select id from notes where id = $1', [7])).toHaveLength(1)
    await reserved.unsafe('begin read only')
    expect((await reserved.unsafe('select pg_is_in_recovery() as s'))[0]).toEqual({ s: true })
    await reserved.unsafe('rollback')
    await reserved`set application_name to 'mine'`
    expect(leased()).toBe(1)
    expect([...(await reserved`show application_name`)]).toEqual([{ application_name: 'mine' }])
    expect(leased()).toBe(1)
    reserved.release()
    await expect.poll(leased).toBe(0)
    expect(await failureOf(Promise.resolve(reserved`select 1`))).toMatchObject({
      code: 'CONNECTION_CLOSED',
    })
  })

  it('runs nothing more on a replica that a setting of a read-only transaction would keep a lazy reservation on', async () => {
    await using routed = await connect({ checkout: 'lazy' })
    const reserved = await routed.sql.reserve()
    await reserved.unsafe('begin read only')
    await reserved.unsafe("set statement_timeout = '5s'")
    expect(node(await reserved`select count(*) from notes`)).toMatch(REPLICA)
    await reserved.unsafe('commit')
    const error = await failureOf<Error>(reserved`select count(*) from notes`)
    expect(error.message).toContain('use SET LOCAL, release the reservation')
    reserved.release()
    const next = await routed.sql.reserve()
    expect(await next`select count(*) from notes`).toHaveLength(1)
    next.release()
  })

  it('never continues a lazy transaction on another connection', async () => {
    await using routed = await connect({ checkout: 'lazy' })
    const reserved = await routed.sql.reserve()
    await reserved.unsafe('begin')
    await failureOf(
      Promise.resolve(reserved.unsafe('select pg_terminate_backend(pg_backend_pid())')),
    )
    const next = await failureOf(Promise.resolve(reserved.unsafe('insert into notes values (8)')))
    expect(next).toMatchObject({ code: 'CONNECTION_CLOSED', executed: 'no' })
    reserved.release()
    expect(await routed.sql`select id from notes where id = 8`).toHaveLength(0)
  })
})
