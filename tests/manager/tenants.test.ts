import {
  ConfigError,
  type Driver,
  markerTable,
  type Transaction,
  UnknownTenantError,
  WrongTenantError,
} from '@poolhouse/core'
import { createManager, type Manager, type TenantTarget } from '@poolhouse/manager'
import type { Cluster } from '@poolhouse/testkit'
import { afterEach, beforeAll, describe, expect, it } from 'vitest'
import { everyServer } from '../support/every-server.js'

let cluster: Cluster
const managers: Manager[] = []

const prepared = new Map<Cluster, Promise<void>>()

async function prepare({ primary }: Cluster): Promise<void> {
  for (let tenant = 0; tenant < 3; tenant++) {
    await primary.sql(`create schema "s${tenant}"`)
    await primary.sql(`create table "s${tenant}".whoami as select 's${tenant}'::text as name`)
    await primary.sql(
      `grant all on schema "s${tenant}" to app; grant all on "s${tenant}".whoami to app`,
    )
  }
  await primary.sql(`create table notes(tenant text not null, body text not null)`)
  await primary.sql(`alter table notes enable row level security`)
  await primary.sql(
    `create policy own on notes using (tenant = nullif(current_setting('app.tenant', true), '')) with check (tenant = nullif(current_setting('app.tenant', true), ''))`,
  )
  await primary.sql('grant all on notes to app')
  await primary.sql(`create function leave_tenant(tenant text) returns text language plpgsql as
    $f$ begin perform set_config('app.left', tenant, false); create temp table left_behind(n int); return tenant; end $f$`)
}

afterEach(async () => {
  for (const manager of managers.splice(0)) await manager.close({ timeoutMs: 1_000 })
})

/** Sessions of applications, the one that counts not among them. */
async function sessions(): Promise<number> {
  const rows = await cluster.primary.sql(
    `select count(*)::int as n from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid() and usename = 'app'`,
  )
  return (rows[0] as unknown as { n: number }).n
}

function manage(
  driver: Driver,
  resolve: (id: string) => TenantTarget | undefined | Promise<TenantTarget | undefined>,
  perServer: number | 'auto' = 20,
): Manager {
  const manager = createManager({
    drivers: { only: driver },
    databases: { app: { primary: cluster.primary.url, pool: { max: 5 } } },
    budget: { perServer },
    tenants: { resolve },
  })
  managers.push(manager as Manager)
  return manager as Manager
}

const servers = everyServer({ settings: { max_connections: '100' } })

describe.each(servers)('tenants over $driver on PostgreSQL $version', (server) => {
  const driver = server.make()

  beforeAll(async () => {
    cluster = await server.cluster()
    if (!prepared.has(cluster)) prepared.set(cluster, prepare(cluster))
    await prepared.get(cluster)
  })

  it('T10: what a function of one tenant leaves in a shared session is there for no other borrower', async () => {
    const manager = createManager({
      drivers: { only: driver },
      databases: { app: { primary: cluster.primary.url, pool: { max: 1 } } },
      budget: { perServer: 20 },
      tenants: { resolve: (id) => ({ settings: { 'app.tenant': id } }) },
    }) as Manager
    managers.push(manager)
    const read = `select coalesce(current_setting('app.left', true), '') as left, to_regclass('pg_temp.left_behind')::text as found, pg_backend_pid() as pid`
    const fresh = { left: '', found: null }
    const seen: unknown[] = []
    for (const id of ['acme', 'globex', 'acme']) {
      const tenant = manager.tenant(id)
      const { rows } = await tenant.query(read)
      seen.push(rows[0]!['pid'])
      expect(rows).toMatchObject([fresh])
      await tenant.query('select leave_tenant($1)', [id])
    }
    // Nor for those who borrow it beside the tenants.
    const { rows } = await manager.database('app').query(read)
    expect(rows).toMatchObject([fresh])
    expect(new Set([...seen, rows[0]!['pid']]).size).toBe(1)
  })

  it('S85: a hundred first calls of one tenant make one pool', async () => {
    let asked = 0
    const manager = manage(driver, async () => {
      asked++
      return { schema: 's1' }
    })
    await Promise.all(Array.from({ length: 100 }, () => manager.tenant('t').query('select 1')))
    expect(asked).toBe(1)
    const { tenants } = manager.stats({ tenants: ['t'] })
    expect(tenants['t']!.total).toBeLessThanOrEqual(6)
  })

  it('S87: an unknown tenant costs no connection, and is asked for once in a while only', async () => {
    let asked = 0
    const manager = manage(driver, () => {
      asked++
      return undefined
    })
    for (let time = 0; time < 3; time++) {
      await expect(manager.tenant('stranger').query('select 1')).rejects.toBeInstanceOf(
        UnknownTenantError,
      )
    }
    expect(asked).toBe(1)
    expect(await sessions()).toBe(0)
  })

  it('T70: the same idempotency key of two tenants is two keys, behind row-level security and in schemas', async () => {
    const manager = manage(driver, (id) => {
      // Two tenants in one schema, two behind row-level security, and two that have one database.
      if (id.startsWith('schema')) return { schema: 's0' }
      if (id.startsWith('database')) return { database: 'app' }
      return { settings: { 'app.tenant': id } }
    })
    const app = manager.database('app')
    await cluster.primary.sql('drop table if exists poolhouse_marker; delete from notes')
    await cluster.primary.sql(
      `drop table if exists s0.poolhouse_marker; set search_path = s0; ${markerTable}`,
    )
    await cluster.primary.sql(markerTable)
    await cluster.primary.sql('grant all on poolhouse_marker, s0.poolhouse_marker to app')
    for (const kind of ['rls', 'schema', 'database']) {
      const done: string[] = []
      const work = (who: string) => async () => {
        done.push(who)
        return `of ${who}`
      }
      const [alice, bob] = [`${kind}-alice`, `${kind}-bob`]
      for (const who of [alice, bob, alice]) {
        const result = manager.tenant(who).transaction(work(who), { idempotencyKey: 'order 1' })
        expect(await result).toBe(`of ${who}`)
      }
      expect(done).toEqual([alice, bob])
    }
    const stored = await cluster.primary.sql<{ key: string }>('select key from poolhouse_marker')
    // A key without a tenant is none of a tenant's, whatever it looks like.
    for (const idempotencyKey of ['order 1', ...stored.map(({ key }) => key)]) {
      expect(await app.transaction(async () => 'of no tenant', { idempotencyKey })).toBe(
        'of no tenant',
      )
    }
    for (const idempotencyKey of ['a\ud800', '\udfff', 'nul\0']) {
      await expect(
        manager.tenant('rls-alice').transaction(async () => 1, { idempotencyKey }),
      ).rejects.toThrow(/idempotencyKey/)
    }
  })

  it('T70: row-level security on the table of keys sees the settings of the tenant', async () => {
    const manager = manage(driver, (id) => ({ settings: { 'app.tenant': id } }))
    await cluster.primary.sql('drop table if exists poolhouse_marker')
    await cluster.primary.sql(markerTable)
    await cluster.primary.sql(`
      alter table poolhouse_marker add column tenant text not null default current_setting('app.tenant', true);
      alter table poolhouse_marker enable row level security;
      create policy own on poolhouse_marker using (tenant = current_setting('app.tenant', true));
      grant all on poolhouse_marker to app`)
    const order = (who: string) => (tx: Transaction) =>
      tx.query('insert into notes values ($1, $2)', [who, `order of ${who}`])
    for (const who of ['carol', 'dave', 'carol']) {
      await manager.tenant(who).transaction(order(who), { idempotencyKey: 'order 7' })
    }
    const keys = await cluster.primary.sql('select tenant from poolhouse_marker order by 1')
    expect(keys).toEqual([{ tenant: 'carol' }, { tenant: 'dave' }])
    const notes = await cluster.primary.sql(
      "select tenant from notes where tenant in ('carol', 'dave') order by 1",
    )
    expect(notes).toEqual([{ tenant: 'carol' }, { tenant: 'dave' }])
    await cluster.primary.sql('drop table poolhouse_marker; delete from notes')
  })

  it('S88: another tenant is refused within the scope of one, also in its transaction', async () => {
    const manager = manage(driver, (id) => ({ schema: id }))
    const other = manager.tenant('s1')
    await manager.runAs('s0', async () => {
      // T91: whatever is wrong comes as a rejection of the call.
      const wrong = manager.tenant('s1')
      await expect(wrong.query('select 1')).rejects.toBeInstanceOf(WrongTenantError)
      await expect(wrong.stream('select 1').next()).rejects.toBeInstanceOf(WrongTenantError)
      await expect(other.query('select 1')).rejects.toBeInstanceOf(WrongTenantError)
      expect((await manager.tenant().query('select name from whoami')).rows).toEqual([
        { name: 's0' },
      ])
      const crossing = manager.unscoped(() => other.query('select name from whoami'))
      expect((await crossing).rows).toEqual([{ name: 's1' }])
    })
    await manager.tenant('s0').transaction(async (tx) => {
      await expect(other.query('select 1')).rejects.toBeInstanceOf(WrongTenantError)
      expect((await tx.query('select name from whoami')).rows).toEqual([{ name: 's0' }])
    })
    expect((await other.query('select name from whoami')).rows).toEqual([{ name: 's1' }])
  })

  it('S89, X04: a hostile name is a name, and reaches neither SQL nor the way to connect', async () => {
    const hostile = 'a"; drop schema s2 cascade; --'
    await cluster.primary.sql('create schema if not exists "a""; drop schema s2 cascade; --"')
    await cluster.primary.sql('grant all on schema "a""; drop schema s2 cascade; --" to app')
    const manager = manage(driver, (id) => ({ schema: id }))
    const { rows } = await manager.tenant(hostile).query('select current_schema() as schema')
    expect(rows).toEqual([{ schema: hostile }])
    expect((await manager.tenant('s2').query('select name from whoami')).rows).toEqual([
      { name: 's2' },
    ])
    await expect(manager.tenant('ü'.repeat(32)).query('select 1')).rejects.toThrow(ConfigError)
    await expect(manager.tenant('x'.repeat(64)).query('select 1')).rejects.toThrow(/64 bytes/)
    expect(() => manager.tenant('a\0b')).toThrow(/NUL/)
    expect(() => manager.tenant('')).toThrow(/non-empty/)
  })

  it('X03: row-level security is set for the transaction alone, by bound values, and leaves nothing', async () => {
    const manager = manage(driver, (id) => ({ settings: { 'app.tenant': id } }))
    const hostile = `x', true), set_config('app.tenant', 'acme`
    await manager.tenant('acme').query('insert into notes values ($1, $2)', ['acme', 'ours'])
    await manager.tenant(hostile).query('insert into notes values ($1, $2)', [hostile, 'theirs'])
    expect((await manager.tenant('acme').query('select body from notes')).rows).toEqual([
      { body: 'ours' },
    ])
    expect((await manager.tenant(hostile).query('select body from notes')).rows).toEqual([
      { body: 'theirs' },
    ])
    await expect(
      manager.tenant('acme').query('insert into notes values ($1, $2)', [hostile, 'stolen']),
    ).rejects.toMatchObject({ code: '42501', executed: 'rolled-back' })
    // The next borrower of the very same connections.
    const { rows } = await manager
      .database('app')
      .query(
        `select current_setting('app.tenant', true) as tenant, (select count(*)::int from notes) as seen`,
      )
    expect(['', null]).toContain((rows[0] as { tenant: string | null }).tenant)
    expect(rows[0]).toMatchObject({ seen: 0 })
    await expect(manager.tenant('acme').acquire()).rejects.toThrow(/transaction/)
    await cluster.primary.sql('truncate notes')
  })

  it('X05: __proto__ and constructor are tenants like others', async () => {
    const manager = manage(driver, () => ({ schema: 's2' }))
    for (const id of ['__proto__', 'constructor', 'toString', 'hasOwnProperty']) {
      expect((await manager.tenant(id).query('select name from whoami')).rows).toEqual([
        { name: 's2' },
      ])
      expect(Object.keys(manager.stats({ tenants: [id] }).tenants)).toEqual([id])
    }
  })

  it('takes 90 % of what the server allows when nothing else is said', async () => {
    const manager = manage(driver, () => ({ schema: 's0' }), 'auto')
    await manager.ready()
    await expect.poll(() => Object.values(manager.stats().servers)[0]?.limit).toBe(87)
  })
})
