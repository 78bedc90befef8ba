import { observe } from '@poolhouse/core/kit'
import { fakeDriver, virtualClock } from '@poolhouse/core/testing'
import { beforeEach, expect, test } from 'vitest'
import { createManager } from '../../src/index.js'

function manage() {
  const clock = virtualClock()
  const driver = fakeDriver({ clock })
  const connection = { host: 'localhost', user: 'u' }
  const manager = createManager({
    drivers: { fake: driver },
    databases: {
      app: { primary: { ...connection, database: 'app' } },
      analytics: { primary: { ...connection, host: 'other', database: 'analytics' } },
    },
    budget: { perServer: 10 },
    tenants: {
      resolve: (id) => ({ on: 'app', database: id }),
      idleMs: 1_000,
    },
    clock,
    random: () => 0.5,
  })
  return { clock, driver, manager }
}

let it: ReturnType<typeof manage>

beforeEach(() => {
  it = manage()
})

test('T123: a manager tells the events of all its pools, also of those that are made later', async () => {
  const { clock, manager } = it
  const pools: string[] = []
  const listener = ({ pool }: { pool: string }): void => void pools.push(pool)
  manager.on('connect', listener)
  await manager.database('app').query('select 1')
  await manager.tenant('acme').query('select 1')
  await clock.settle()
  expect(pools).toEqual(['app@localhost:5432', 'acme@localhost:5432'])
  manager.off('connect', listener)
  await manager.database('analytics').query('select 1')
  await clock.settle()
  expect(pools).toHaveLength(2)
})

test('T123: an event of a tenant’s own pool says whose it is, and one of a database does not', async () => {
  const { clock, manager } = it
  const events: unknown[] = []
  manager.on('connect', ({ pool, tenant }) => events.push([pool, tenant]))
  await manager.database('app').query('select 1')
  // Of one name with a database.
  await manager.tenant('app').query('select 1')
  await clock.settle()
  expect(events).toEqual([
    ['app@localhost:5432', undefined],
    ['app@localhost:5432', 'app'],
  ])
})

test('T123: to listen and to look opens nothing and starts no watch', async () => {
  const { clock, driver, manager } = it
  manager.on('topology', () => {})
  manager.on('connect', () => {})
  expect(manager.pools().map((pool) => [pool.name, pool.topology(), pool.inspect()])).toEqual([
    ['app', undefined, []],
    ['analytics', undefined, []],
  ])
  await clock.advance(60_000)
  expect(driver.open.size).toBe(0)
})

test('T123: a manager shows databases and tenants, who has the budget, and how many were evicted', async () => {
  const { clock, manager } = it
  expect(observe(manager)).toBe(manager)
  await manager.database('app').query('select 1')
  await manager.tenant('acme').query('select 2')
  const pools = manager.pools()
  expect(pools.map(({ name, kind }) => [name, kind])).toEqual([
    ['app', 'database'],
    ['analytics', 'database'],
    ['acme', 'tenant'],
  ])
  expect(pools[2]!.stats()).toMatchObject({ total: 1, histograms: { queryMs: { count: 1 } } })
  expect(manager.inspect().map(({ name }) => name)).toEqual([
    'app@localhost:5432',
    'acme@localhost:5432',
  ])
  expect(manager.holders()['localhost:5432']).toEqual([
    { name: 'app', kind: 'database', held: 1 },
    { name: 'acme', kind: 'tenant', held: 1 },
  ])
  expect(manager.stats()).toMatchObject({ tenantPools: 1, tenantEvictions: 0 })
  await clock.advance(20_000)
  expect(manager.stats()).toMatchObject({ tenantPools: 0, tenantEvictions: 1 })
  expect(manager.pools()).toHaveLength(2)
})

test('T123: of databases that share their servers the first tells the routing, and none counts it twice', async () => {
  const clock = virtualClock()
  const driver = fakeDriver({ clock })
  const servers = (database: string) => ({
    primary: { host: 'a', user: 'u', database },
    replicas: [{ host: 'b', user: 'u', database }],
  })
  const manager = createManager({
    drivers: { fake: driver },
    databases: { one: servers('one'), two: servers('two') },
    budget: { perServer: 10 },
    clock,
    random: () => 0.5,
  })
  expect(manager.stats().databases['one']!.routing).toBeUndefined()
  for (const name of ['one', 'two'] as const) {
    const answer = manager.database(name).query('update x')
    await clock.advance(100)
    await answer
  }
  const { one, two } = manager.stats().databases
  expect(one!.routing).toMatchObject({ write: 2 })
  expect(two!.routing).toBeUndefined()
  const [first] = manager.pools()
  expect(first!.topology()?.nodes.map(({ id }) => id)).toEqual(['a:5432', 'b:5432'])
  const closed = manager.close({ timeoutMs: 1 })
  await clock.advance(10_000)
  await closed
})
