import { type ConnectionPool, createPool, type Lease, type Pool } from '@poolhouse/core'
import { hosts, withFailover } from '@poolhouse/failover'
import { createManager, type Databases, type Manager } from '@poolhouse/manager'
import { nodePostgres } from '@poolhouse/node-postgres'
import { createPgPool } from '@poolhouse/node-postgres/compat'
import { postgresJs } from '@poolhouse/postgres-js'
import { withReplicas } from '@poolhouse/read-replicas'
import type { PoolClient } from 'pg'
import type { Sql } from 'postgres'
import { expect, expectTypeOf, test } from 'vitest'

const URL = 'postgres://localhost/app'
const pgPool = () => createPool({ driver: nodePostgres(), connection: URL })
const jsPool = () => createPool({ driver: postgresJs(), connection: URL })

test('lease.raw has the type of what the driver lends, through every pool', async () => {
  expectTypeOf(pgPool).returns.toEqualTypeOf<ConnectionPool<PoolClient>>()
  expectTypeOf(jsPool).returns.toEqualTypeOf<ConnectionPool<Sql>>()

  const single = pgPool()
  expectTypeOf(single.acquire).returns.resolves.toEqualTypeOf<Lease<PoolClient>>()
  expectTypeOf(single.tryAcquire).returns.toEqualTypeOf<Lease<PoolClient> | undefined>()
  const counts = () => single.use(async ({ raw }) => (await raw.query('select 1')).rowCount)
  expectTypeOf(counts).returns.resolves.toEqualTypeOf<number | null>()

  const followed = withFailover([jsPool()])
  expectTypeOf(followed.acquire).returns.resolves.toEqualTypeOf<Lease<Sql>>()
  const discovered = withFailover({
    discover: hosts('postgres://a,b/app'),
    pool: ({ connection }) => createPool({ driver: nodePostgres(), connection }),
  })
  expectTypeOf(discovered.acquire).returns.resolves.toEqualTypeOf<Lease<PoolClient>>()
  const routed = withReplicas(single, [pgPool()])
  expectTypeOf(routed.session().reader().acquire).returns.resolves.toEqualTypeOf<
    Lease<PoolClient>
  >()
  expectTypeOf(routed.reader).returns.toEqualTypeOf<Pool<PoolClient>>()
  const works = () => routed.transaction(async () => 1)
  expectTypeOf(works).returns.resolves.toEqualTypeOf<number>()

  await Promise.allSettled([routed.close(), followed.close(), discovered.close()])
})

test('lease.raw has the type of what the driver lends, through the databases and tenants of a manager', async () => {
  const one = createManager({
    drivers: { pg: nodePostgres() },
    databases: { app: 'postgres://a/app', dw: { nodes: 'postgres://b,c/dw' } },
    tenants: { resolve: (id) => ({ on: 'app', database: id }) },
  })
  expectTypeOf(one.database('app').acquire).returns.resolves.toEqualTypeOf<Lease<PoolClient>>()
  expectTypeOf(one.database('dw').acquire).returns.resolves.toEqualTypeOf<Lease<PoolClient>>()
  expectTypeOf(one.database('dw').switchover).toBeFunction()
  expectTypeOf(one.database('app').reader).returns.toEqualTypeOf<Pool<PoolClient>>()
  expectTypeOf(one.database('app').session().acquire).returns.resolves.toEqualTypeOf<
    Lease<PoolClient>
  >()
  expectTypeOf(one.tenant('a').acquire).returns.resolves.toEqualTypeOf<Lease<PoolClient>>()

  const two = createManager({
    drivers: { pg: nodePostgres(), js: postgresJs() },
    databases: {
      byKey: { driver: 'js', primary: 'postgres://a/app' },
      own: { driver: nodePostgres(), primary: 'postgres://b/app' },
      first: 'postgres://c/app',
      ready: jsPool(),
    },
    tenants: { resolve: () => undefined },
  })
  expectTypeOf(two.database('byKey').acquire).returns.resolves.toEqualTypeOf<Lease<Sql>>()
  expectTypeOf(two.database('own').acquire).returns.resolves.toEqualTypeOf<Lease<PoolClient>>()
  expectTypeOf(two.database('first').acquire).returns.resolves.toEqualTypeOf<
    Lease<PoolClient | Sql>
  >()
  expectTypeOf(two.database('ready')).toEqualTypeOf<ConnectionPool<Sql>>()
  expectTypeOf(two.tenant('a').acquire).returns.resolves.toEqualTypeOf<Lease<PoolClient | Sql>>()

  await Promise.allSettled([one.close(), two.close()])
})

test('a manager goes where one of any databases is taken, whose leases lend unknown', async () => {
  const loaded: Databases = { app: 'postgres://a/app' }
  const manager: Manager = createManager({
    drivers: { pg: nodePostgres() },
    databases: loaded,
    tenants: { resolve: () => undefined },
  })
  expectTypeOf(manager.database('app').acquire).returns.resolves.toEqualTypeOf<Lease>()
  expectTypeOf(manager.tenant('a').acquire).returns.resolves.toEqualTypeOf<Lease>()
  const named: Manager<{ app: string }> = createManager({
    drivers: { pg: nodePostgres() },
    databases: { app: 'postgres://a/app' },
  })
  expectTypeOf(named.database('app').acquire).returns.resolves.toEqualTypeOf<Lease>()
  await Promise.allSettled([manager.close(), named.close()])
})

test('a pool of any driver goes where a pool is taken, and a driver of no known type lends unknown', () => {
  const any: Pool = pgPool()
  expectTypeOf(any.acquire).returns.resolves.toEqualTypeOf<Lease>()
  expectTypeOf<Lease['raw']>().toBeUnknown()
  expectTypeOf(createPgPool).toBeCallableWith(pgPool())
  const chosen = createPool({
    driver: Math.random() < 2 ? nodePostgres() : postgresJs(),
    connection: URL,
  })
  expectTypeOf(chosen.tryAcquire).returns.toEqualTypeOf<Lease<PoolClient | Sql> | undefined>()
  expectTypeOf(withReplicas(pgPool(), [jsPool()]).acquire).returns.resolves.toEqualTypeOf<
    Lease<PoolClient | Sql>
  >()
  // @ts-expect-error what one driver lends is not what another lends
  const wrong: Pool<Sql> = pgPool()
  expect(wrong.name).toBe(any.name)
})

test('rows have the type of the type argument', () => {
  const pool = pgPool()
  const total = () => pool.query<{ n: number }>('select 1 as n')
  expectTypeOf(total).returns.resolves.toHaveProperty('rows').toEqualTypeOf<{ n: number }[]>()
  const plain = () => pool.query('select 1 as n')
  expectTypeOf(plain)
    .returns.resolves.toHaveProperty('rows')
    .toEqualTypeOf<Record<string, unknown>[]>()
})
