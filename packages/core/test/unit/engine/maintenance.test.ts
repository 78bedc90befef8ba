import { expect, test } from 'vitest'
import { type Harness, harness, watch } from '../../harness.js'

/** Lends and gives back `count` connections, so that they are idle. */
async function fill({ clock, pool }: Harness, count: number): Promise<void> {
  const leases = Array.from({ length: count }, () => watch(pool.acquire()))
  await clock.advance(20)
  for (const { value } of leases) value!.release()
  await clock.settle()
}

test('closes connections that have been idle too long', async () => {
  const it = harness({ max: 3, idleTimeoutMs: 5_000 })
  await fill(it, 3)
  await it.clock.advance(4_900)
  expect(it.driver.open.size).toBe(3)
  await it.clock.advance(200)
  expect(it.driver.open.size).toBe(0)
  expect(it.pool.stats().total).toBe(0)
})

test('honours an idle timeout of a millisecond', async () => {
  const it = harness({ idleTimeoutMs: 1 })
  await fill(it, 1)
  await it.clock.advance(3)
  expect(it.driver.open.size).toBe(0)
})

test('keeps connections for ever when idleTimeoutMs is 0', async () => {
  const it = harness({ idleTimeoutMs: 0, maxLifetimeMs: 0 })
  await fill(it, 2)
  await it.clock.advance(10 * 3_600_000)
  expect(it.driver.open.size).toBe(2)
  expect(it.driver.attempts).toBe(2)
})

test('keeps min connections when many have been idle too long at once', async () => {
  const it = harness({ max: 5, min: 2, idleTimeoutMs: 1_000 })
  await fill(it, 5)
  expect(it.driver.open.size).toBe(5)
  await it.clock.advance(10_000)
  expect(it.driver.open.size).toBe(2)
  // Nothing was opened again to make up for too many closed.
  expect(it.driver.attempts).toBe(5)
})

test('opens min connections at once and replaces those that are lost', async () => {
  const { clock, driver, pool, session } = harness({ max: 4, min: 3 }, { connectMs: 10 })
  await clock.advance(20)
  expect(pool.stats()).toMatchObject({ total: 3, idle: 3 })
  session().lose('killed')
  await clock.advance(20)
  expect(pool.stats()).toMatchObject({ total: 3, idle: 3 })
  expect(driver.attempts).toBe(4)
})

test('retires connections at their maximum lifetime, less a jitter drawn once at birth', async () => {
  const draws: number[] = []
  const random = (): number => {
    draws.push(draws.length === 0 ? 0 : 0.99)
    return draws.at(-1)!
  }
  const it = harness({ max: 2, maxLifetimeMs: 100_000, idleTimeoutMs: 0, random })
  await fill(it, 2)
  await it.clock.advance(89_900)
  expect(it.driver.open.size).toBe(2)
  await it.clock.advance(1_500)
  expect(it.driver.open.size).toBe(1)
  await it.clock.advance(8_000)
  expect(it.driver.open.size).toBe(1)
  await it.clock.advance(1_500)
  expect(it.driver.open.size).toBe(0)
  expect(draws).toHaveLength(2)
})

test('never ends a connection at its lifetime while it is in use, only when it comes back', async () => {
  const { clock, driver, pool } = harness({ maxLifetimeMs: 1_000, random: () => 0 })
  const lease = watch(pool.acquire())
  await clock.advance(5_000)
  expect(driver.open.size).toBe(1)
  const query = watch(lease.value!.query('select 1'))
  await clock.settle()
  expect(query.state).toBe('resolved')
  lease.value!.release()
  await clock.settle()
  expect(driver.open.size).toBe(0)
})

test('retires a connection after maxUses', async () => {
  const { clock, driver, pool } = harness({ maxUses: 2, max: 1 })
  for (let use = 0; use < 4; use++) {
    watch(pool.query('select 1'))
    await clock.settle()
  }
  expect(driver.attempts).toBe(2)
  expect(pool.stats().counters.destroyed).toBe(2)
})

test('F43: nothing expires and nothing fails when the wall clock jumps', async () => {
  const it = harness({ idleTimeoutMs: 60_000, maxLifetimeMs: 600_000 })
  await fill(it, 2)
  const waiting = [watch(it.pool.acquire()), watch(it.pool.acquire()), watch(it.pool.acquire())]
  await it.clock.settle()
  for (const jump of [2 * 3_600_000, -3 * 3_600_000]) {
    it.clock.shiftWall(jump)
    await it.clock.advance(2_000)
  }
  expect(it.driver.open.size).toBe(2)
  expect(waiting.map(({ state }) => state)).toEqual(['resolved', 'resolved', 'pending'])
  await it.clock.advance(6_100)
  expect(waiting[2]!.error?.name).toBe('AcquireTimeoutError')
})

test('F45: pings idle connections before their next use when the wall clock has run away', async () => {
  const it = harness()
  await fill(it, 1)
  it.clock.shiftWall(8_000)
  await it.clock.advance(1_500)
  const session = it.session()
  const query = watch(it.pool.query('select 2'))
  await it.clock.settle()
  expect(query.state).toBe('resolved')
  expect(session.statements).toEqual(['', 'select 2'])
})

test('F45: pings connections that were idle while the process stood still, before any timer has noticed', async () => {
  const it = harness()
  await fill(it, 1)
  it.clock.stall(8_000)
  const query = watch(it.pool.query('select 2'))
  await it.clock.settle()
  expect(query.state).toBe('resolved')
  expect(it.session().statements).toEqual(['', 'select 2'])
})

test('F45: serves every caller when sessions died while the process was frozen', async () => {
  const it = harness({ max: 3 })
  await fill(it, 3)
  const dead = new Set([...it.driver.open])
  it.driver.options.onStatement = (_statement, connection) =>
    dead.has(connection) ? { lose: 'killed while frozen' } : undefined
  it.clock.stall(8_000)
  const queries = Array.from({ length: 6 }, () => watch(it.pool.query('select 2')))
  await it.clock.advance(100)
  expect(queries.map(({ error }) => error)).toEqual(Array(6).fill(undefined))
})

test('F44: an event loop that stalls for five seconds causes no error', async () => {
  const { clock, pool } = harness({}, { statementMs: 10 })
  const queries = Array.from({ length: 4 }, () =>
    watch(pool.query('select 1', [], { timeoutMs: 1_000 })),
  )
  await clock.advance(5)
  clock.stall(5_000)
  await clock.advance(50)
  expect(queries.slice(0, 2).map(({ state }) => state)).toEqual(['resolved', 'resolved'])
})

test('does not take a long lease for a frozen process', async () => {
  const { clock, pool, session } = harness({ max: 1 })
  const lease = watch(pool.acquire())
  await clock.advance(5_000)
  lease.value!.release()
  const query = watch(pool.query('select 2'))
  await clock.settle()
  expect(query.state).toBe('resolved')
  expect(session().statements).toEqual(['select 2'])
})

test('F51: reports a lease that is out too long once, with its last statement and never its values', async () => {
  const { clock, pool } = harness({ leakWarningMs: 30_000, acquireTimeoutMs: 500_000 })
  const leaks: unknown[] = []
  pool.on('leak', (event) => leaks.push(event))
  const lease = watch(pool.acquire())
  await clock.settle()
  watch(lease.value!.query('select $1', ['secret']))
  await clock.advance(29_000)
  expect(leaks).toEqual([])
  await clock.advance(60_000)
  expect(leaks).toHaveLength(1)
  expect(leaks[0]).toMatchObject({ pool: 'test', connection: 1, statement: 'select $1' })
  expect(JSON.stringify(leaks)).not.toContain('secret')
  expect(pool.stats().counters.leaks).toBe(1)
})

test('never keeps the process alive while no caller waits: every timer of an idle pool is unreferenced', async () => {
  const held: boolean[] = []
  const it = harness({ min: 1 })
  const { setTimer } = it.clock
  it.clock.setTimer = (fire, delayMs, options) => {
    held.push(options?.keepAlive === true)
    return setTimer(fire, delayMs, options)
  }
  await it.clock.advance(3_000)
  held.length = 0
  await it.clock.advance(10_000)
  expect(held.length).toBeGreaterThan(0)
  expect(held).not.toContain(true)
  expect(it.session().referenced).toBe(false)
})
