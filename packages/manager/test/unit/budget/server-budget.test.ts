import { type ConnectionPool, createPool, type Lease } from '@poolhouse/core'
import {
  type FakeDriver,
  fakeDriver,
  type VirtualClock,
  virtualClock,
} from '@poolhouse/core/testing'
import { beforeEach, expect, test } from 'vitest'
import { Budgets } from '../../../src/budget/budgets.js'

let clock: VirtualClock
let driver: FakeDriver
let budgets: Budgets

beforeEach(() => {
  clock = virtualClock()
  driver = fakeDriver({ clock, connectMs: 5, statementMs: 2 })
  budgets = new Budgets(clock, { perServer: 4 })
})

function pool(
  name: string,
  weight = 1,
  more: { min?: number; max?: number; port?: number; maxPending?: number } = {},
): ConnectionPool {
  const { port = 5432, ...sizes } = more
  return createPool({
    driver,
    connection: { host: 'localhost', port, user: 'u', database: name },
    name,
    max: 10,
    ...sizes,
    clock,
    random: () => 0.5,
    budget: budgets.weighing(weight),
  })
}

/** The pool of a named database. */
function labelled(name: string): ConnectionPool {
  return createPool({
    driver,
    connection: { host: 'localhost', user: 'u', database: name },
    name,
    clock,
    random: () => 0.5,
    budget: budgets.weighing(1, name),
  })
}

/** Queries again after each answer until it is stopped; counts the answers. */
function flood(pool: ConnectionPool, callers: number): { answers: number; stop(): void } {
  const state = { answers: 0, running: true, stop: () => {} }
  state.stop = () => {
    state.running = false
  }
  for (let caller = 0; caller < callers; caller++) {
    void (async () => {
      while (state.running) {
        await pool.query('select 1')
        state.answers++
      }
    })()
  }
  return state
}

/** Advances the clock until the call is settled. */
async function answered<R>(call: Promise<R>): Promise<R> {
  let done = false
  void call.finally(() => {
    done = true
  })
  while (!done) await clock.advance(1)
  return await call
}

async function lease(pool: ConnectionPool): Promise<Lease> {
  const promise = pool.acquire()
  await clock.advance(20)
  return await promise
}

test('S84: never has more connections than the limit, over all pools', async () => {
  const pools = Array.from({ length: 20 }, (_, index) => pool(`t${index}`))
  const answers = pools.flatMap((each) => [each.query('select 1'), each.query('select 2')])
  await clock.advance(1_000)
  await Promise.all(answers)
  expect(driver.mostOpen).toBeLessThanOrEqual(4)
})

test('counts each server separately', async () => {
  const here = Array.from({ length: 4 }, () => lease(pool('a')))
  const there = Array.from({ length: 4 }, () => lease(pool('a', 1, { port: 6000 })))
  await Promise.all([...here, ...there])
  expect(driver.open.size).toBe(8)
  expect(Object.keys(budgets.stats())).toEqual(['localhost:5432', 'localhost:6000'])
})

test('reclaims the connection of another pool that has been idle longest, and never one in use', async () => {
  const [a, b, c] = [pool('a'), pool('b'), pool('c')]
  const busy = await lease(a)
  const first = await lease(b)
  const second = await lease(a)
  const third = await lease(b)
  first.release()
  await clock.advance(10)
  second.release()
  const wanted = lease(c)
  await clock.advance(50)
  ;(await wanted).release()
  expect([a, b, c].map((each) => each.stats().total)).toEqual([2, 1, 1])
  busy.release()
  third.release()
})

test('F62, S86: a tenant with ten thousand queued calls leaves another tenant half of the budget', async () => {
  const noisy = pool('noisy')
  const quiet = pool('quiet')
  const noise = flood(noisy, 100)
  await clock.advance(200)
  expect(noisy.stats().total).toBe(4)
  const calls = flood(quiet, 100)
  await clock.advance(100)
  const before = { noise: noise.answers, calls: calls.answers }
  await clock.advance(1_000)
  expect(noisy.stats().total).toBe(2)
  expect(quiet.stats().total).toBe(2)
  const ratio = (noise.answers - before.noise) / (calls.answers - before.calls)
  expect(ratio).toBeGreaterThan(0.9)
  expect(ratio).toBeLessThan(1.1)
  noise.stop()
  calls.stop()
  await clock.advance(100)
})

test('S86, F62: a tenant with a call now and then keeps its connection beside a tenant with ten thousand queued calls', async () => {
  const noisy = pool('noisy', 1, { maxPending: 20_000 })
  const quiet = pool('quiet')
  await answered(quiet.query('select 1'))
  const noise = flood(noisy, 10_000)
  await clock.advance(200)
  const waits: number[] = []
  quiet.on('acquire', ({ waitMs }) => waits.push(waitMs))
  for (let call = 0; call < 100; call++) {
    await clock.advance(50)
    await answered(quiet.query('select 1'))
  }
  expect(quiet.stats().counters.created).toBe(1)
  expect(waits).toEqual(Array.from({ length: 100 }, () => 0))
  expect(noisy.stats().total).toBe(3)
  noise.stop()
  await clock.advance(20_000)
})

test('S86, F62: a new tenant at a full server gets the first connection that is released', async () => {
  const noisy = pool('noisy', 1, { maxPending: 20_000 })
  const noise = flood(noisy, 10_000)
  await clock.advance(200)
  const quiet = pool('quiet')
  const { destroyed } = noisy.stats().counters
  await answered(quiet.query('select 1'))
  // The statement under way takes 2 ms, the connect 5 ms.
  expect(quiet.stats().waitMs.max).toBeLessThanOrEqual(8)
  expect(noisy.stats().counters.destroyed - destroyed).toBe(1)
  noise.stop()
  await clock.advance(20_000)
})

test('an idle connection is taken at once for a pool with a smaller share, and after a while for one with a larger share', async () => {
  const [a, b] = [pool('a'), pool('b')]
  const leases = [await lease(a), await lease(b), await lease(b), await lease(b)]
  for (const each of leases) each.release()
  const noise = flood(a, 50)
  await clock.advance(100)
  // Both have the same number now.
  expect([a, b].map((each) => each.stats().total)).toEqual([2, 2])
  await clock.advance(5_000)
  expect([a, b].map((each) => each.stats().total)).toEqual([4, 0])
  noise.stop()
  await clock.advance(1_000)
})

test('shares by weight', async () => {
  const heavy = pool('heavy', 3)
  const light = pool('light', 1)
  const floods = [flood(light, 50), flood(heavy, 50)]
  await clock.advance(500)
  expect([heavy, light].map((each) => each.stats().total)).toEqual([3, 1])
  for (const each of floods) each.stop()
  await clock.advance(100)
})

test('X21: an error of the budget says which database has how many, and names no tenant', async () => {
  const app = labelled('app')
  const [one, two] = [pool('secret customer'), pool('other customer')]
  const held = [await lease(app), await lease(app), await lease(one), await lease(two)]
  const late = one.query('select 1', [], { timeoutMs: 100 }).catch((error: unknown) => error)
  const asked = app.query('select 1', [], { timeoutMs: 100 }).catch((error: unknown) => error)
  await clock.advance(150)
  const [ofTenant, ofApp] = [String(await late), String(await asked)]
  expect(ofTenant).toContain(
    'the budget of localhost:5432 is used up: 4 of 4 connections are out, 1 by this pool, 2 by database "app", 1 by 1 tenant; 2 pools waiting',
  )
  expect(ofTenant).not.toContain('other')
  expect(ofApp).toContain('2 by this pool, 2 by 2 tenants')
  expect(ofApp).not.toContain('customer')
  for (const each of held) each.release()
})

test('F62: with more busy tenants than connections, each tenant gets its turn', async () => {
  const pools = Array.from({ length: 12 }, (_, index) => pool(`t${index}`))
  const floods = pools.map((each) => flood(each, 5))
  await clock.advance(5_000)
  const answers = floods.map((each) => each.answers)
  expect(Math.min(...answers)).toBeGreaterThan(0)
  expect(Math.max(...answers) / Math.min(...answers)).toBeLessThan(2)
  for (const each of floods) each.stop()
  await clock.advance(1_000)
})

test('lets a caller that queries again at once keep its connection', async () => {
  const [a, ...others] = Array.from({ length: 5 }, (_, index) => pool(`t${index}`))
  const leases = others.slice(0, 3).map((each) => lease(each))
  await Promise.all(leases)
  const three = (async () => {
    for (let call = 0; call < 3; call++) await a!.query('select 1')
  })()
  await clock.advance(1)
  const waiting = others[3]!.query('select 1')
  await clock.advance(100)
  await Promise.all([three, waiting])
  expect(a!.stats().counters.created).toBe(1)
  for (const each of await Promise.all(leases)) each.release()
})

test('does not reclaim the min connections of a pool', async () => {
  const kept = pool('kept', 1, { min: 4 })
  await clock.advance(50)
  const waiting = pool('waiting').query('select 1', [], { timeoutMs: 200 })
  const refused = expect(waiting).rejects.toThrow(/no connection within/)
  await clock.advance(300)
  await refused
  expect(kept.stats().idle).toBe(4)
})

test('closes connections above a lowered limit, idle ones at once', async () => {
  budgets = new Budgets(clock, { perServer: 'auto', instances: 2 })
  const a = pool('a')
  const leases = [await lease(a), await lease(a), await lease(a), await lease(a)]
  leases[0]!.release()
  budgets.learn(a.endpoint, { allowed: 5, sessions: 4, instances: 0 }, false)
  await clock.advance(10)
  expect(a.stats().total).toBe(3)
  for (const each of leases.slice(1)) each.release()
  await clock.advance(10)
  expect(a.stats().total).toBe(2)
})

test('a session beside the pools counts against the limit', async () => {
  const a = pool('a')
  const opening = a.openSession()
  await clock.advance(10)
  const session = await opening
  const leases = [await lease(a), await lease(a), await lease(a)]
  const waiting = a.acquire()
  await clock.advance(100)
  expect(a.stats()).toMatchObject({ total: 3, pending: 1 })
  const closing = session.close()
  await clock.advance(20)
  await closing
  leases.push(await waiting)
  for (const each of leases) each.release()
})

test('X12: a pool that waits in vain for a permit gets its error in time, and the next one is served', async () => {
  const [a, b] = [pool('a'), pool('b')]
  const held = [await lease(a), await lease(a), await lease(a), await lease(a)]
  const late = expect(b.query('select 1', [], { timeoutMs: 100 })).rejects.toMatchObject({
    executed: 'no',
    shortage:
      'the budget of localhost:5432 is used up: 4 of 4 connections are out, 0 by this pool, 4 by 1 tenant; 1 pool waiting',
  })
  await clock.advance(150)
  await late
  held[0]!.release()
  const served = b.query('select 1')
  await clock.advance(50)
  await served
  for (const each of held.slice(1)) each.release()
})

test('spreads connects after a failover by the number of processes, until a turn goes unused', async () => {
  budgets = new Budgets(clock, { perServer: 100, instances: 500 }, () => 0.5)
  const one = pool('one')
  const connected: number[] = []
  one.on('connect', () => connected.push(clock.now()))
  const first = one.query('select 1')
  await clock.advance(7)
  await first
  expect(connected).toEqual([5])
  // One of five hundred processes, which together ask for 250 log-ins per second: a turn every two
  // seconds.
  budgets.spread(one.endpoint)
  const leases = Promise.all(Array.from({ length: 4 }, () => one.acquire()))
  await clock.advance(9_000)
  expect(connected.slice(1).map((at) => Math.round(at - 7))).toEqual([1_005, 3_005, 5_005])
  for (const lease of await leases) lease.release()
  // After an unused turn, connects are not spread any more.
  const more = Promise.all(Array.from({ length: 8 }, () => one.acquire()))
  await clock.advance(100)
  expect(connected).toHaveLength(8)
  for (const lease of await more) lease.release()
})

test('takes no idle connection from a pool for a pool that only waits for its turn', async () => {
  budgets = new Budgets(clock, { perServer: 100, instances: 1_000 }, () => 0.5)
  const [one, two] = [pool('one'), pool('two')]
  const first = one.query('select 1')
  await clock.advance(7)
  await first
  budgets.spread(one.endpoint)
  const answer = two.query('select 2')
  await clock.advance(1_900)
  expect(one.stats().idle).toBe(1)
  await clock.advance(200)
  await answer
  expect(one.stats().counters.destroyed).toBe(0)
})

test('does not spread the connects of a handful of processes', async () => {
  budgets = new Budgets(clock, { perServer: 100, instances: 2 }, () => 0.5)
  const one = pool('one')
  budgets.spread(one.endpoint)
  const answer = one.query('select 1')
  await clock.advance(10)
  await answer
  expect(one.stats().idle).toBe(1)
})
