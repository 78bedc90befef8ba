import { expect, test } from 'vitest'
import { ownError } from '../../../src/base/own-error.js'
import { AuthenticationError, ConnectError, DatabaseError } from '../../../src/index.js'
import { harness, watch } from '../../harness.js'

const refused = new ConnectError('refused', { endpoint: 'e' })
const full = new ConnectError('too many', { endpoint: 'e', sqlState: '53300' })
const limited = new ConnectError('too many connections for role "u"', {
  endpoint: 'e',
  sqlState: '53300',
  cause: new DatabaseError('too many connections for role "u"', {
    code: '53300',
    severity: 'FATAL',
    routine: 'InitializeSessionUserId',
  }),
})
const wrongPassword = new AuthenticationError('wrong', {
  endpoint: 'e',
  sqlState: '28P01',
  fatal: true,
})

test('F59: opens at most four connections at a time for a thousand callers', async () => {
  const { clock, driver, pool } = harness({ max: 10 }, { connectMs: 10 })
  let most = 0
  const calls = Array.from({ length: 1_000 }, () => watch(pool.query('select 1')))
  for (let ms = 0; ms < 100; ms++) {
    most = Math.max(most, driver.connecting)
    await clock.advance(1)
  }
  expect(most).toBe(4)
  expect(driver.mostOpen).toBeLessThanOrEqual(10)
  expect(calls.every(({ state }) => state === 'resolved')).toBe(true)
})

test('F59: tries one connect at a time while connects fail, at most two in 100 ms, further apart with each failure', async () => {
  const starts: number[] = []
  const { clock, driver, pool } = harness(
    { max: 10, acquireTimeoutMs: 60_000, random: Math.random },
    {
      onConnect: () => {
        starts.push(clock.now())
        return refused
      },
    },
  )
  for (let caller = 0; caller < 100; caller++) watch(pool.acquire())
  await clock.settle()
  const burst = starts.length
  expect(burst).toBeLessThanOrEqual(4)
  for (let step = 0; step < 400; step++) {
    await clock.advance(50)
    expect(driver.connecting).toBeLessThanOrEqual(1)
  }
  const retries = starts.slice(burst)
  const gaps = retries.map((at, index) => at - (retries[index - 1] ?? 0))
  expect(Math.max(...gaps)).toBeLessThanOrEqual(5_001)
  expect(Math.min(...gaps.slice(1))).toBeGreaterThan(50)
  expect(gaps.slice(-2).every((gap) => gap >= 2_500)).toBe(true)
})

test('starts slowly after a failure: one, then two, then four at a time', async () => {
  let broken = true
  const { clock, driver, pool } = harness(
    { max: 20 },
    { connectMs: 10, onConnect: () => (broken ? refused : undefined) },
  )
  for (let caller = 0; caller < 40; caller++) watch(pool.acquire())
  await clock.advance(10)
  broken = false
  const parallel: number[] = []
  for (let ms = 0; ms < 600; ms++) {
    await clock.advance(1)
    if (parallel.at(-1) !== driver.connecting) parallel.push(driver.connecting)
  }
  expect(parallel.filter((count) => count > 0).slice(0, 3)).toEqual([1, 2, 4])
})

test('skips connects that no caller needs any more', async () => {
  const { clock, driver, pool } = harness({ max: 10 }, { connectMs: 10 })
  const abort = new AbortController()
  for (let caller = 0; caller < 10; caller++) watch(pool.acquire({ signal: abort.signal }))
  await clock.settle()
  abort.abort()
  await clock.advance(100)
  expect(driver.attempts).toBe(4)
})

test('F55: keeps a connection for the next caller when the one that caused it has left', async () => {
  const { clock, driver, pool } = harness({}, { connectMs: 10 })
  const first = watch(pool.acquire({ timeoutMs: 5 }))
  await clock.advance(20)
  expect(first.error?.name).toBe('AcquireTimeoutError')
  expect(pool.tryAcquire()).toBeDefined()
  expect(driver.attempts).toBe(1)
})

test.each([
  ['the server has no more', full],
  ['its role may have no more', limited],
])('F24: makes do with the connections it has for ten seconds when %s', async (_case, refusal) => {
  let room = 2
  const { clock, driver, pool } = harness(
    { max: 5, acquireTimeoutMs: 30_000 },
    { onConnect: () => (room-- > 0 ? undefined : refusal) },
  )
  const leases = [watch(pool.acquire()), watch(pool.acquire())]
  await clock.settle()
  const waiting = watch(pool.acquire())
  await clock.advance(1)
  const attempts = driver.attempts
  await clock.advance(5_000)
  expect(waiting.state).toBe('pending')
  expect(driver.attempts).toBe(attempts)
  leases[0]!.value!.release()
  await clock.settle()
  expect(waiting.state).toBe('resolved')
  const another = watch(pool.acquire())
  room = 5
  await clock.advance(5_100)
  expect(another.state).toBe('resolved')
})

test('F24: opens one connection at a time after the server was full, because connects at the same moment keep each other out', async () => {
  let places = 2
  let together: number[] = []
  const { clock, driver, pool } = harness(
    { max: 6, acquireTimeoutMs: 30_000 },
    {
      connectMs: 10,
      onConnect: () => {
        together.push(driver.connecting)
        return places-- > 0 ? undefined : full
      },
    },
  )
  const leases = Array.from({ length: 6 }, () => watch(pool.acquire()))
  await clock.advance(100)
  expect(leases.filter(({ state }) => state === 'resolved')).toHaveLength(2)
  places = 1
  together = []
  await clock.advance(10_000)
  expect(leases.filter(({ state }) => state === 'resolved')).toHaveLength(3)
  expect(together[0]).toBe(1)
  expect(Math.max(...together)).toBe(2)
})

test('F24: backs off when the server has no connection at all for it', async () => {
  const { clock, driver, pool } = harness({}, { onConnect: () => full })
  const waiting = watch(pool.acquire({ timeoutMs: 1_000 }))
  await clock.advance(1_010)
  expect(waiting.error?.name).toBe('AcquireTimeoutError')
  expect(waiting.error?.cause).toBe(full)
  expect(driver.attempts).toBeLessThan(8)
})

test('F25, F26: refuses waiting callers at once when waiting is pointless, and new ones until the back-off has passed', async () => {
  let broken = true
  const { clock, driver, pool } = harness(
    {},
    { onConnect: () => (broken ? wrongPassword : undefined) },
  )
  const waiting = [watch(pool.acquire()), watch(pool.query('select 1'))]
  await clock.settle()
  expect(waiting.map(({ error }) => error)).toEqual([wrongPassword, ownError(wrongPassword)])
  expect(waiting[1]!.error).toMatchObject({ statement: 'select 1' })
  const attempts = driver.attempts
  const newcomer = watch(pool.acquire())
  await clock.settle()
  expect(newcomer.error).toEqual(wrongPassword)
  // An object of its own: what one caller writes into its error is not for the others.
  expect(newcomer.error).not.toBe(wrongPassword)
  expect(driver.attempts).toBe(attempts)
  broken = false
  await clock.advance(5_000)
  const later = watch(pool.acquire())
  await clock.settle()
  expect(later.state).toBe('resolved')
})

test('F25: lets callers wait for working connections while new ones are refused', async () => {
  let broken = false
  const { clock, pool } = harness({}, { onConnect: () => (broken ? wrongPassword : undefined) })
  const lease = watch(pool.acquire())
  await clock.settle()
  broken = true
  const waiting = watch(pool.acquire())
  await clock.advance(100)
  expect(waiting.state).toBe('pending')
  lease.value!.release()
  await clock.settle()
  expect(waiting.state).toBe('resolved')
})

test('reports a failed connect by an error event, and names it in the timeout of the caller that waited', async () => {
  const { clock, pool } = harness({}, { onConnect: () => refused })
  const errors: unknown[] = []
  pool.on('error', ({ error }) => errors.push(error))
  const waiting = watch(pool.acquire({ timeoutMs: 20 }))
  await clock.advance(25)
  expect(errors).toEqual([refused])
  expect(waiting.error?.cause).toBe(refused)
  expect(waiting.error?.message).toContain('last connect error: refused')
})

test('connects at once, without waiting for the back-off, after the server was reached by other means', async () => {
  let broken = true
  const { clock, pool } = harness(
    { random: () => 0.999 },
    { onConnect: () => (broken ? refused : undefined) },
  )
  const waiting = watch(pool.acquire())
  await clock.advance(300)
  broken = false
  const session = watch(pool.openSession())
  await clock.settle()
  expect(session.state).toBe('resolved')
  expect(waiting.state).toBe('resolved')
})

test('F16: abandons a connect that never answers, and tries again for callers that still wait', async () => {
  const { clock, driver, pool } = harness(
    { connectTimeoutMs: 1_000, acquireTimeoutMs: 10_000, max: 1 },
    { onConnect: (attempt) => (attempt === 1 ? 'hang' : undefined) },
  )
  const waiting = watch(pool.acquire())
  await clock.advance(1_400)
  expect(waiting.state).toBe('resolved')
  expect(driver.attempts).toBe(2)
  expect(driver.connecting).toBe(0)
})

test('opens no more than a pool may have that its password function makes smaller', async () => {
  let isFirst = true
  const password = (): string => {
    if (isFirst) it.pool.resize({ max: 1 })
    isFirst = false
    return 'secret'
  }
  const connection = { host: 'localhost', user: 'user', database: 'app', password }
  const it = harness({ max: 4, connection }, { connectMs: 10 })
  it.pool.suspend()
  for (let caller = 0; caller < 4; caller++) watch(it.pool.acquire())
  it.pool.resume()
  await it.clock.settle()
  expect(it.pool.stats().total).toBe(1)
})
