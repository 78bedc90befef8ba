import { ConnectError, type ConnectionPool, createPool, type ServerIdentity } from '@poolhouse/core'
import {
  type FakeDriver,
  fakeDriver,
  type VirtualClock,
  virtualClock,
} from '@poolhouse/core/testing'
import { beforeEach, expect, test } from 'vitest'
import { Budgets } from '../../../src/budget/budgets.js'
import { Place } from '../../../src/budget/place.js'

/** The start time of the server that each host leads to; undefined for one that does not say. */
let leadsTo: Record<string, string | undefined>
let down: Set<string>
let clock: VirtualClock
let budgets: Budgets
let drivers: Map<string, FakeDriver>

beforeEach(() => {
  clock = virtualClock()
  leadsTo = { one: '1', two: '1', other: '2' }
  down = new Set()
  drivers = new Map()
  budgets = new Budgets(clock, { perServer: 4 })
})

function driverOf(host: string): FakeDriver {
  let driver = drivers.get(host)
  if (driver === undefined) {
    driver = fakeDriver({
      clock,
      connectMs: 5,
      statementMs: 2,
      onConnect: () =>
        down.has(host) ? new ConnectError('refused', { endpoint: host }) : undefined,
      server: (): Partial<ServerIdentity> =>
        leadsTo[host] === undefined
          ? {}
          : { startedAt: leadsTo[host], port: 5432, inRecovery: false },
    })
    drivers.set(host, driver)
  }
  return driver
}

function pool(host: string, pooler?: 'pgbouncer'): ConnectionPool {
  return createPool({
    driver: driverOf(host),
    connection: { host, user: 'u', database: 'app', ssl: false },
    name: host,
    max: 10,
    pooler,
    clock,
    random: () => 0.5,
    budget: budgets.weighing(1, host),
  })
}

/** Starts callers that query again and again. */
function busy(pool: ConnectionPool, callers = 10): void {
  for (let caller = 0; caller < callers; caller++) {
    void (async () => {
      for (let call = 0; call < 200; call++) await pool.query('select 1').catch(() => {})
    })()
  }
}

function total(...pools: ConnectionPool[]): number {
  return pools.reduce((sum, each) => sum + each.stats().total, 0)
}

test('T74: names of one server share its budget, and each opens one connection until that is known', async () => {
  const [one, two] = [pool('one'), pool('two')]
  busy(two)
  busy(one)
  await clock.advance(4)
  expect(total(one)).toBe(1)
  let most = 0
  for (let ms = 0; ms < 300; ms++) {
    await clock.advance(1)
    most = Math.max(most, total(one, two))
  }
  expect(most).toBeLessThanOrEqual(5)
  expect(total(one, two)).toBe(4)
  expect([one, two].map((each) => each.stats().total)).toEqual([2, 2])
  const { 'one:5432': first, 'two:5432': second } = budgets.stats()
  expect(first).toEqual(second)
  expect(first).toMatchObject({ limit: 4, used: 4 })
})

test('T74: names of different servers have separate budgets', async () => {
  const [one, other] = [pool('one'), pool('other')]
  busy(one)
  busy(other)
  await clock.advance(100)
  expect([one, other].map((each) => each.stats().total)).toEqual([4, 4])
})

test('T74: connections to a server that does not report its start time do not count as several servers', () => {
  let changes = 0
  const place = new Place('one:5432', undefined as never, () => changes++)
  const server = { inRecovery: false, port: 5432, address: '10.0.0.1' } as ServerIdentity
  place.leadsTo({ ...server })
  place.leadsTo({ ...server })
  expect(changes).toBe(1)
  expect(place.leadsToSeveral).toBe(false)
})

test('T74: a name whose server does not identify itself has a budget of its own', async () => {
  leadsTo = {}
  const [one, two] = [pool('one'), pool('two')]
  busy(one)
  busy(two)
  await clock.advance(100)
  expect([one, two].map((each) => each.stats().total)).toEqual([4, 4])
})

test('T74: behind a declared pooler the address has a budget of its own from the first connection on', async () => {
  const direct = pool('one')
  const pooled = pool('two', 'pgbouncer')
  busy(pooled)
  await clock.advance(4)
  expect(total(pooled)).toBe(4)
  busy(direct)
  await clock.advance(100)
  expect([direct, pooled].map((each) => each.stats().total)).toEqual([4, 4])
})

test('T74: a name whose server is down does not hold back other names', async () => {
  down.add('one')
  const [one, other] = [pool('one'), pool('other')]
  // The very first name cannot be an alias yet, so it starts several connects.
  busy(one)
  busy(other)
  await clock.advance(200)
  expect(total(other)).toBe(4)
})

test('T74: waiting until a server is identified is no deadlock', async () => {
  const one = pool('one')
  driverOf('one').options.connectMs = 5_000
  busy(one)
  await clock.advance(1)
  const other = pool('other')
  const nested = other.use(() => other.query('select 2'))
  const errors: unknown[] = []
  nested.catch((error) => errors.push(error))
  await clock.advance(4_000)
  expect(errors).toEqual([])
  const waiting = other.query('select 3', undefined, { timeoutMs: 10 })
  waiting.catch((error) => errors.push(error))
  await clock.advance(20)
  expect(String(errors.pop())).toContain('until it is known which server other:5432 is')
  await clock.advance(2_000)
  await expect(nested).resolves.toBeDefined()
})

test('T74: a session beside the pool is enough to identify the server', async () => {
  const one = pool('one')
  busy(one)
  await clock.advance(100)
  const two = pool('two')
  const session = two.openSession()
  await clock.advance(10)
  expect(budgets.stats()['two:5432']).toMatchObject({ beside: 1, limit: 4 })
  expect(budgets.stats()['two:5432']).toEqual(budgets.stats()['one:5432'])
  await (await session).close()
})

test('T74: a name that was moved shares the budget of its new server, and leaves the former one when its connections there are closed', async () => {
  const [one, two, other] = [pool('one'), pool('two'), pool('other')]
  for (const each of [one, two, other]) busy(each, 2)
  await clock.advance(20)
  leadsTo['two'] = '2'
  void two.recycle()
  busy(two, 2)
  await clock.advance(20)
  const stats = (): Record<string, unknown> => budgets.stats()
  expect(stats()['two:5432']).toEqual(stats()['other:5432'])
  await clock.advance(31_000)
  expect(stats()['one:5432']).toMatchObject({ used: one.stats().total })
  expect(stats()['other:5432']).toMatchObject({ used: total(two, other) })
})

test('T74: the lowest limit configured for any of its names applies to the server', async () => {
  budgets = new Budgets(clock, { perServer: 4, servers: { 'two:5432': 3 } })
  const [one, two] = [pool('one'), pool('two')]
  busy(one)
  await clock.advance(50)
  expect(total(one)).toBe(4)
  busy(two)
  await clock.advance(300)
  expect(total(one, two)).toBe(3)
})
