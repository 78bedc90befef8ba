import { beforeEach, expect, test } from 'vitest'
import {
  type ConnectionBudget,
  type ConnectionPool,
  createPool,
  type PoolOptions,
} from '../../../src/index.js'
import type { BudgetedPool, BudgetSeat } from '../../../src/kit.js'
import {
  type FakeDriver,
  fakeDriver,
  type VirtualClock,
  virtualClock,
} from '../../../src/testing/index.js'

/** Gives what it is told to, and remembers everything. */
class PlainBudget implements ConnectionBudget {
  free = 1
  owed = false
  out = 0
  outside = 0
  readonly pools: BudgetedPool[] = []
  readonly left: string[] = []

  join(pool: BudgetedPool): BudgetSeat {
    this.pools.push(pool)
    return {
      take: () => {
        if (this.free <= 0) return false
        this.free--
        this.out++
        return true
      },
      giveBack: () => {
        this.free++
        this.out--
      },
      owes: () => this.owed,
      outside: (count) => {
        this.outside = count
      },
      leave: () => this.left.push(`${pool.endpoint.host}:${pool.endpoint.port}`),
    }
  }
}

let clock: VirtualClock
let driver: FakeDriver
let budget: PlainBudget

beforeEach(() => {
  clock = virtualClock()
  driver = fakeDriver({ clock })
  budget = new PlainBudget()
})

function pool(options: Partial<PoolOptions> = {}): ConnectionPool {
  const connection = { host: 'localhost', database: 'app', user: 'u' }
  return createPool({ driver, connection, clock, random: () => 0.5, max: 5, budget, ...options })
}

test('opens no connection without a permit, and the next one when the budget says so', async () => {
  const db = pool()
  const first = await db.acquire()
  const second = db.acquire()
  await clock.settle()
  expect(db.stats()).toMatchObject({ total: 1, pending: 1 })
  budget.free = 1
  budget.pools[0]!.grow()
  const lease = await second
  expect(budget.out).toBe(2)
  lease.release()
  first.release()
  await db.close()
})

test('says what it would open, within its max', async () => {
  const db = pool({ max: 2 })
  const first = await db.acquire()
  const waiting = [db.acquire(), db.acquire(), db.acquire()]
  await clock.settle()
  expect(budget.pools[0]!.wanted()).toBe(1)
  first.release()
  for (const lease of waiting) (await lease).release()
  expect(budget.pools[0]!.wanted()).toBe(0)
  await db.close()
})

test('gives the permit back when the connection is gone: closed, destroyed, lost or never opened', async () => {
  budget.free = 5
  const db = pool({ max: 3 })
  const leases = await Promise.all([db.acquire(), db.acquire(), db.acquire()])
  expect(budget.out).toBe(3)
  leases[0]!.destroy('enough')
  expect(budget.out).toBe(2)
  ;[...driver.open].at(-1)!.lose('the server went away')
  await clock.settle()
  leases[1]!.release()
  leases[2]!.release()
  await clock.settle()
  await db.close()
  expect(budget.out).toBe(0)

  const refusing = fakeDriver({ clock, onConnect: () => new Error('no such host') })
  const broken = pool({ acquireTimeoutMs: 50, driver: refusing })
  const failed = expect(broken.acquire()).rejects.toThrow(/no such host/)
  await clock.advance(50)
  await failed
  expect(budget.out).toBe(0)
  await broken.close()
})

test('closes a connection between two borrowers when another pool is owed it, but keeps its min', async () => {
  const db = pool()
  const lease = await db.acquire()
  const waiting = db.acquire()
  budget.owed = true
  lease.release()
  budget.free = -1
  await clock.settle()
  expect(budget).toMatchObject({ out: 0, free: 0 })
  budget.free = 1
  budget.pools[0]!.grow()
  ;(await waiting).release()
  await clock.settle()
  expect(budget).toMatchObject({ out: 0, free: 1 })
  db.resize({ min: 1 })
  budget.owed = true
  ;(await db.acquire()).release()
  expect(db.stats().idle).toBe(1)
  await db.close()
})

test('gives up its longest idle connection, never one that is lent and never of its min', async () => {
  budget.free = 3
  const db = pool()
  const leases = await Promise.all([db.acquire(), db.acquire(), db.acquire()])
  const [seat] = budget.pools
  expect(seat!.giveUpIdle('owed')).toBe(false)
  expect(seat!.idleSince()).toBeUndefined()
  leases[0]!.release()
  const since = clock.now()
  await clock.advance(10)
  leases[1]!.release()
  expect(seat!.idleSince()).toBe(since)
  expect(seat!.giveUpIdle('owed')).toBe(true)
  await clock.settle()
  expect(db.stats()).toMatchObject({ total: 2, idle: 1, leased: 1 })
  db.resize({ min: 2 })
  expect(seat!.giveUpIdle('owed')).toBe(false)
  leases[2]!.release()
  await db.close()
})

test('counts the sessions beside it, and leaves when it is closed', async () => {
  const db = pool()
  const session = await db.openSession()
  expect(budget.outside).toBe(1)
  await session.close()
  await clock.settle()
  expect(budget.outside).toBe(0)
  await db.close()
  expect(budget.left).toEqual(['localhost:5432'])
})

test('takes its permits from the budget of the server that it moves to', async () => {
  budget.free = 2
  const db = pool()
  const old = await db.acquire()
  db.reconfigure({ connection: { host: 'localhost', port: 6000, database: 'app', user: 'u' } })
  expect(budget.left).toEqual(['localhost:5432'])
  expect(budget.pools.at(-1)!.endpoint.port).toBe(6000)
  expect(budget.out).toBe(1)
  old.release()
  await clock.settle()
  expect(budget.out).toBe(0)
  await db.close()
})

test('refuses what is not a budget', () => {
  expect(() => pool({ budget: 50 as never })).toThrow(
    /createPool: budget must be an object with join\(\).*got 50/,
  )
})

test('keeps its min of connections when calls share those that others are owed', async () => {
  budget.free = 2
  driver = fakeDriver({ clock, statementMs: 0.01 })
  const db = pool({ min: 1, max: 2, multiplex: { connections: 2, maxInFlight: 2 } })
  const warm = db.warm(2)
  await clock.advance(20)
  await warm
  const known = db.query('select $1', [0])
  await clock.advance(20)
  await known
  driver.options.statementMs = 20
  const calls = [1, 2, 3, 4].map((value) => db.query('select $1', [value]))
  await clock.settle()
  expect([...driver.open].map(({ inFlight }) => inFlight)).toEqual([2, 2])
  budget.owed = true
  await clock.advance(100)
  await Promise.all(calls)
  expect(db.stats().counters.created).toBe(2)
  expect(budget.out).toBe(1)
  await db.close()
})
