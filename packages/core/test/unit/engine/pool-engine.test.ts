import { expect, test } from 'vitest'
import type { Lease } from '../../../src/index.js'
import { acquireMany, hangsIfSlow, harness, type Outcome, watch } from '../../harness.js'

function release(leases: Outcome<Lease>[]): void {
  for (const { value } of leases) value!.release()
}

test('tryAcquire lends what is idle and healthy, and otherwise nothing', async () => {
  const it = harness({ max: 1 })
  expect(it.pool.tryAcquire()).toBeUndefined()
  expect(it.driver.attempts).toBe(0)
  release(await acquireMany(it))
  const lease = it.pool.tryAcquire()
  expect(lease).toBeDefined()
  expect(it.pool.tryAcquire()).toBeUndefined()
  lease!.release()
  it.pool.suspect('test')
  expect(it.pool.tryAcquire()).toBeUndefined()
})

test('counts add up in the very moment a connection is lent or given up', async () => {
  const it = harness({ max: 4 }, { connectMs: 5 })
  const seen: object[] = []
  void it.pool.acquire().then(() => {
    const { total, idle, leased, connecting } = it.pool.stats()
    seen.push({ total, idle, leased, connecting })
  })
  await it.clock.advance(10)
  expect(seen).toEqual([{ total: 1, idle: 0, leased: 1, connecting: 0 }])
  watch(it.pool.acquire())
  await it.clock.settle()
  it.pool.destroyAll('now')
  expect(it.pool.stats()).toMatchObject({ total: 0, idle: 0, leased: 0, connecting: 0, pending: 0 })
})

test('warm opens connections and resolves when they are there', async () => {
  const it = harness({ max: 4 }, { connectMs: 10 })
  const warmed = watch(it.pool.warm(3))
  await it.clock.advance(9)
  expect(warmed.state).toBe('pending')
  await it.clock.advance(2)
  expect(warmed.state).toBe('resolved')
  expect(it.pool.stats()).toMatchObject({ total: 3, idle: 3 })
  const again = watch(it.pool.warm(2))
  await it.clock.settle()
  expect(again.state).toBe('resolved')
  expect(it.driver.attempts).toBe(3)
})

test('warm resolves for each caller when as many are open as that caller asked for', async () => {
  let connects = 0
  const it = harness({ max: 3 }, { connectMs: () => 10 * ++connects })
  const [three, one] = [watch(it.pool.warm(3)), watch(it.pool.warm(1))]
  await it.clock.advance(11)
  expect([three.state, one.state]).toEqual(['pending', 'resolved'])
  await it.clock.advance(50)
  expect(three.state).toBe('resolved')
})

test('warm opens min connections, or one, if it is not told how many', async () => {
  for (const [min, expected] of [
    [0, 1],
    [2, 2],
  ]) {
    const it = harness({ max: 4, min })
    const warmed = watch(it.pool.warm())
    await it.clock.settle()
    expect(warmed.state).toBe('resolved')
    expect(it.pool.stats().total).toBe(expected)
  }
})

test('warm rejects with the first connect error, and refuses impossible counts', async () => {
  const it = harness({ max: 2 }, { onConnect: () => new Error('refused') })
  const warmed = watch(it.pool.warm(2))
  await it.clock.settle()
  expect(warmed.error).toMatchObject({ name: 'ConnectError' })
  for (const count of [0, 3, 1.5, Number.NaN]) {
    const wrong = watch(it.pool.warm(count))
    await it.clock.settle()
    expect(wrong.error, String(count)).toBeInstanceOf(RangeError)
  }
})

test('warm settles in whichever moment it is asked', async () => {
  for (let hops = 0; hops < 40; hops++) {
    const it = harness({ max: 2 })
    watch(it.pool.acquire())
    for (let hop = 0; hop < hops; hop++) await Promise.resolve()
    const warmed = watch(it.pool.warm(1))
    await it.clock.advance(10)
    expect(warmed.state, `asked after ${hops} hops`).toBe('resolved')
  }
})

test('warm settles when the pool shrinks meanwhile', async () => {
  const it = harness({ max: 4 }, { connectMs: 10 })
  const warmed = watch(it.pool.warm(4))
  await it.clock.settle()
  it.pool.resize({ max: 2 })
  await it.clock.advance(50)
  expect(warmed.state).toBe('resolved')
  expect(it.pool.stats().total).toBe(2)
})

test('resize lets more callers in at once', async () => {
  const it = harness({ max: 1 })
  await acquireMany(it)
  const waiting = watch(it.pool.acquire())
  await it.clock.settle()
  it.pool.resize({ max: 2 })
  await it.clock.settle()
  expect(waiting.state).toBe('resolved')
  expect(it.pool.stats().max).toBe(2)
})

test('resize closes exactly the surplus of idle connections', async () => {
  const it = harness({ max: 8 })
  release(await acquireMany(it, 8))
  it.pool.resize({ max: 5 })
  await it.clock.settle()
  expect(it.pool.stats()).toMatchObject({ total: 5, idle: 5, max: 5 })
})

test('resize retires surplus connections as they come back, and never takes one from its holder', async () => {
  const it = harness({ max: 3 }, { closeMs: 5 })
  const leases = await acquireMany(it, 3)
  it.pool.resize({ max: 1 })
  await it.clock.advance(50)
  expect(it.pool.stats().total).toBe(3)
  release(leases)
  await it.clock.advance(50)
  expect(it.pool.stats()).toMatchObject({ total: 1, idle: 1 })
})

test('resize refuses impossible sizes and unknown options, and changes nothing then', () => {
  const { pool } = harness({ max: 2 })
  expect(() => pool.resize({ max: 0 })).toThrow(RangeError)
  expect(() => pool.resize({ min: 3 })).toThrow('resize: min (3) must not exceed max (2)')
  expect(() => pool.resize({ maxx: 3 } as never)).toThrow('did you mean "max"')
  expect(() => pool.resize(null as never)).toThrow(TypeError)
  expect(pool.stats().max).toBe(2)
})

test('raising min opens what is missing', async () => {
  const it = harness({ max: 4 })
  it.pool.resize({ min: 3 })
  await it.clock.settle()
  expect(it.pool.stats()).toMatchObject({ total: 3, idle: 3 })
})

test('X10: reconfigure replaces connections under new credentials, none while it is in use', async () => {
  const users: string[] = []
  const it = harness(
    { max: 2 },
    { onConnect: (_attempt, { settings }) => void users.push(settings.user) },
  )
  const [busy, idle] = await acquireMany(it, 2)
  idle!.value!.release()
  it.pool.reconfigure({ connection: 'postgres://other@localhost/app' })
  const running = watch(busy!.value!.query('select 1'))
  await it.clock.settle()
  expect(running.state).toBe('resolved')
  expect(it.pool.stats().total).toBe(1)
  busy!.value!.release()
  watch(it.pool.query('select 2'))
  await it.clock.settle()
  expect(users).toEqual(['user', 'user', 'other'])
  expect(it.pool.stats()).toMatchObject({ total: 1, idle: 1 })
})

test('F25: reconfigure ends a breaker that a wrong password has opened', async () => {
  const { AuthenticationError } = await import('../../../src/index.js')
  const it = harness(
    {},
    {
      onConnect: (_attempt, { settings }) =>
        settings.user === 'other'
          ? undefined
          : new AuthenticationError('wrong', { endpoint: 'e', fatal: true }),
    },
  )
  watch(it.pool.acquire())
  await it.clock.settle()
  it.pool.reconfigure({ connection: 'postgres://other@localhost/app' })
  const lease = watch(it.pool.acquire())
  await it.clock.settle()
  expect(lease.state).toBe('resolved')
})

test('reconfigure leaves connections alone when only times change, and refuses what it cannot change', async () => {
  const it = harness()
  release(await acquireMany(it))
  it.pool.reconfigure({ acquireTimeoutMs: 50, statementTimeoutMs: 70 })
  await it.clock.settle()
  expect(it.driver.open.size).toBe(1)
  expect(() => it.pool.reconfigure({ driver: it.driver } as never)).toThrow(
    'unknown option "driver"',
  )
  await acquireMany(it, 2)
  const waiting = watch(it.pool.acquire())
  await it.clock.advance(60)
  expect(waiting.error?.name).toBe('AcquireTimeoutError')
})

test('F22: recycle replaces every connection, waits for those in use, and resolves when the last old one is gone', async () => {
  const it = harness({ max: 3, min: 1 })
  const [a, b] = await acquireMany(it, 2)
  b!.value!.release()
  const recycled = watch(it.pool.recycle())
  await it.clock.advance(100)
  expect(recycled.state).toBe('pending')
  const old = new Set([a!.value!.connection, b!.value!.connection])
  const fresh = watch(it.pool.acquire())
  await it.clock.settle()
  expect(old.has(fresh.value!.connection)).toBe(false)
  a!.value!.release()
  await it.clock.settle()
  expect(recycled.state).toBe('resolved')
})

test('recycle begins anew each connect that is under way once it has been for 250 ms, and who waits for one is served', async () => {
  const it = harness({ max: 4 }, { onConnect: (attempt) => (attempt <= 4 ? 'hang' : undefined) })
  const errors: unknown[] = []
  it.pool.on('error', (event) => errors.push(event))
  const waiting = Array.from({ length: 6 }, () => watch(it.pool.query('select 1')))
  await it.clock.settle()
  expect(it.driver.connecting).toBe(4)
  const recycled = watch(it.pool.recycle())
  await it.clock.advance(249)
  expect([it.driver.attempts, it.driver.connecting]).toEqual([4, 4])
  await it.clock.advance(1)
  expect(waiting.map(({ state }) => state)).toEqual(Array.from(waiting, () => 'resolved'))
  expect([recycled.state, it.driver.connecting, errors]).toEqual(['resolved', 0, []])
  expect(it.pool.stats().counters.destroyed).toBe(0)
})

test('recycle of an empty pool resolves at once', async () => {
  const { clock, pool } = harness()
  const recycled = watch(pool.recycle())
  await clock.settle()
  expect(recycled.state).toBe('resolved')
})

test('recycle resolves when the last old connection was one that could not be opened', async () => {
  const it = harness({ connectTimeoutMs: 100 }, { onConnect: () => 'hang' })
  watch(it.pool.acquire({ timeoutMs: 50 }))
  await it.clock.settle()
  const recycled = watch(it.pool.recycle())
  await it.clock.advance(400)
  expect(recycled.state).toBe('resolved')
})

test('suspect makes idle connections prove themselves, once', async () => {
  const it = harness({ max: 1 })
  release(await acquireMany(it))
  it.pool.suspect('network changed')
  for (const text of ['select 1', 'select 2']) {
    watch(it.pool.query(text))
    await it.clock.settle()
  }
  expect(it.session().statements).toEqual(['', 'select 1', 'select 2'])
})

test('destroyAll settles every call with the truth: waiting ones were not executed, the outcome of those in flight is unknown', async () => {
  const it = harness({ max: 2 }, { onStatement: hangsIfSlow })
  const [lease] = await acquireMany(it)
  const running = [watch(lease!.value!.query('slow')), watch(it.pool.query('slow too'))]
  const waiting = [watch(it.pool.acquire()), watch(it.pool.query('select 1'))]
  await it.clock.settle()
  it.pool.destroyAll('the node is fenced')
  await it.clock.settle()
  for (const { error } of running) {
    expect(error).toMatchObject({ name: 'ConnectionLostError', executed: 'unknown' })
  }
  for (const { error } of waiting) {
    expect(error).toMatchObject({ name: 'ConnectionLostError', executed: 'no' })
    expect(error?.message).toContain('the node is fenced')
  }
  expect(it.driver.open.size).toBe(0)
  expect(it.pool.stats()).toMatchObject({ total: 0, pending: 0 })
})

test('refuseWaiting settles the callers that wait, of whose work nothing was sent, and no others', async () => {
  const it = harness({ max: 1 })
  const [lease] = await acquireMany(it)
  const waiting = [watch(it.pool.acquire()), watch(it.pool.query('select 1'))]
  await it.clock.settle()
  it.pool.refuseWaiting!('another server is the primary')
  await it.clock.settle()
  for (const { error } of waiting) {
    expect(error).toMatchObject({ name: 'ConnectionLostError', executed: 'no' })
    expect(error?.message).toContain('another server is the primary')
  }
  expect(it.pool.stats()).toMatchObject({ total: 1, leased: 1, pending: 0 })
  lease!.value!.release()
  expect(await it.pool.query('select 1')).toMatchObject({ command: 'SELECT' })
})

test('destroyAll abandons connects under way, and the pool goes on afterwards', async () => {
  const it = harness({ max: 2 }, { onConnect: (attempt) => (attempt === 1 ? 'hang' : undefined) })
  watch(it.pool.acquire())
  await it.clock.settle()
  it.pool.destroyAll('promoted')
  expect(it.driver.connecting).toBe(0)
  const next = watch(it.pool.query('select 1'))
  await it.clock.settle()
  expect(next.state).toBe('resolved')
})

test('destroyAll refills min', async () => {
  const it = harness({ max: 4, min: 2 })
  await it.clock.settle()
  it.pool.destroyAll('test')
  await it.clock.settle()
  expect(it.pool.stats()).toMatchObject({ total: 2, idle: 2 })
})

test('a connection that takes long to close counts against max until it is gone, and then the waiting caller is served', async () => {
  for (const closeMs of [500, 'hang', new Error('close failed')] as const) {
    const it = harness({ max: 1, maxUses: 1 }, { closeMs })
    release(await acquireMany(it))
    const waiting = watch(it.pool.acquire())
    await it.clock.advance(2_300)
    expect(waiting.state, String(closeMs)).toBe('resolved')
    expect(it.driver.mostOpen, String(closeMs)).toBe(1)
  }
})

test('a driver whose close never settles costs its place for little more than two seconds', async () => {
  const it = harness({ max: 1, maxUses: 1 })
  const leases = await acquireMany(it)
  it.session().close = () => new Promise(() => {})
  release(leases)
  const waiting = watch(it.pool.acquire())
  await it.clock.advance(2_300)
  expect(waiting.state).toBe('resolved')
})

test('F39: an idle connection that the server closes leaves silently', async () => {
  const it = harness()
  const errors: unknown[] = []
  it.pool.on('error', (event) => errors.push(event))
  release(await acquireMany(it))
  it.session().lose('idle_session_timeout')
  await it.clock.settle()
  expect(errors).toEqual([])
  expect(it.pool.stats()).toMatchObject({ total: 0, idle: 0 })
})

test('says what it is: name, endpoint, immutable statistics', async () => {
  const it = harness({ max: 3 })
  release(await acquireMany(it))
  const stats = it.pool.stats()
  expect(it.pool.name).toBe('test')
  expect(it.pool.endpoint).toEqual({ host: 'localhost', port: 5432, database: 'app' })
  expect(Object.isFrozen(stats) && Object.isFrozen(stats.counters)).toBe(true)
  expect(stats).toMatchObject({
    total: 1,
    idle: 1,
    leased: 0,
    connecting: 0,
    pending: 0,
    max: 3,
    counters: {
      acquired: 1,
      released: 1,
      created: 1,
      destroyed: 0,
      timeouts: 0,
      errors: 0,
      leaks: 0,
    },
  })
})

test('F25: a connect that fails under the credentials of before says nothing about the new ones', async () => {
  const { AuthenticationError } = await import('../../../src/index.js')
  const it = harness(
    { max: 1 },
    {
      connectMs: 100,
      onConnect: (_attempt, { settings }) =>
        settings.user === 'other'
          ? undefined
          : new AuthenticationError('wrong', { endpoint: 'e', fatal: true }),
    },
  )
  const before = watch(it.pool.acquire())
  await it.clock.advance(50)
  it.pool.reconfigure({ connection: 'postgres://other@localhost/app' })
  const after = watch(it.pool.acquire())
  await it.clock.advance(200)
  expect(before.state).toBe('resolved')
  before.value!.release()
  await it.clock.settle()
  expect(after.state).toBe('resolved')
})
