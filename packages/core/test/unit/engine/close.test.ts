import { expect, test } from 'vitest'
import { acquireMany, type Harness, hangsIfSlow, harness, watch } from '../../harness.js'

function expectNothingLeft({ clock, driver, pool }: Harness): void {
  expect(driver.open.size).toBe(0)
  expect(driver.connecting).toBe(0)
  expect(clock.pendingTimers).toBe(0)
  expect(pool.stats()).toMatchObject({ total: 0, idle: 0, leased: 0, pending: 0 })
}

test('closes an unused pool at once', async () => {
  const it = harness()
  await it.pool.close()
  await it.clock.settle()
  expectNothingLeft(it)
})

test('resolves only when the sockets are closed', async () => {
  const it = harness({ max: 2 }, { closeMs: 100 })
  for (const { value } of await acquireMany(it, 2)) value!.release()
  const closed = watch(it.pool.close())
  await it.clock.advance(99)
  expect(closed.state).toBe('pending')
  await it.clock.advance(2)
  expect(closed.state).toBe('resolved')
  expectNothingLeft(it)
})

test('F57: rejects waiting callers at once, and waits for leases to come back', async () => {
  const it = harness({ max: 1 })
  const [lease] = await acquireMany(it)
  const waiting = [watch(it.pool.acquire()), watch(it.pool.query('select 1'))]
  const closed = watch(it.pool.close())
  await it.clock.settle()
  for (const { error } of waiting) {
    expect(error).toMatchObject({
      name: 'PoolClosedError',
      code: 'POOLHOUSE_POOL_CLOSED',
      executed: 'no',
    })
  }
  await it.clock.advance(5_000)
  expect(closed.state).toBe('pending')
  const last = watch(lease!.value!.query('select 1'))
  await it.clock.settle()
  expect(last.state).toBe('resolved')
  lease!.value!.release()
  await it.clock.settle()
  expect(closed.state).toBe('resolved')
  expectNothingLeft(it)
})

test('F57: with waiters to serve, serves the callers that wait within the deadline, and no later ones', async () => {
  const it = harness({ max: 1 })
  const [lease] = await acquireMany(it)
  const waiting = [watch(it.pool.query('select 1')), watch(it.pool.query('select 2'))]
  const closed = watch(it.pool.close({ waiters: 'serve' }))
  const newcomer = watch(it.pool.query('select 3'))
  await it.clock.settle()
  expect(newcomer.error?.name).toBe('PoolClosedError')
  lease!.value!.release()
  await it.clock.settle()
  expect(waiting.map(({ state }) => state)).toEqual(['resolved', 'resolved'])
  expect(closed.state).toBe('resolved')
  expectNothingLeft(it)
})

test('serves waiting callers even if there is no connection yet, or the next connect has to wait for its back-off', async () => {
  let broken = true
  const it = harness({ max: 1 }, { onConnect: () => (broken ? new Error('refused') : undefined) })
  const waiting = watch(it.pool.query('select 1'))
  await it.clock.advance(5)
  const closed = watch(it.pool.close({ waiters: 'serve' }))
  await it.clock.settle()
  expect(waiting.state).toBe('pending')
  broken = false
  await it.clock.advance(200)
  expect(waiting.state).toBe('resolved')
  expect(closed.state).toBe('resolved')
  expectNothingLeft(it)
})

test('with waiters to serve, ends as soon as the last of them has given up', async () => {
  const it = harness({ max: 1 }, { onConnect: () => new Error('refused') })
  const abort = new AbortController()
  const timed = watch(it.pool.acquire({ timeoutMs: 100 }))
  const aborted = watch(it.pool.acquire({ signal: abort.signal }))
  await it.clock.settle()
  const closed = watch(it.pool.close({ waiters: 'serve' }))
  await it.clock.advance(120)
  expect(timed.error?.name).toBe('AcquireTimeoutError')
  expect(closed.state).toBe('pending')
  abort.abort()
  await it.clock.settle()
  expect(aborted.error?.name).toBe('AbortError')
  expect(closed.state).toBe('resolved')
  expectNothingLeft(it)
})

test('with waiters to serve, closes idle connections that no caller needs', async () => {
  const it = harness({ max: 2 }, { statementMs: 5 })
  const leases = await acquireMany(it, 2)
  it.pool.suspend()
  for (const { value } of leases) value!.release()
  it.pool.suspect('test')
  const waiting = watch(it.pool.query('select 1'))
  const closed = watch(it.pool.close({ waiters: 'serve' }))
  await it.clock.advance(50)
  expect(waiting.state).toBe('resolved')
  expect(closed.state).toBe('resolved')
  expectNothingLeft(it)
})

test('a suspended pool rejects waiting callers when it closes, and gives them no connection first', async () => {
  const it = harness({ max: 1 })
  const [lease] = await acquireMany(it)
  it.pool.suspend()
  lease!.value!.release()
  const waiting = watch(it.pool.acquire())
  const closed = watch(it.pool.close())
  await it.clock.settle()
  expect(waiting.error?.name).toBe('PoolClosedError')
  expect(closed.state).toBe('resolved')
})

test('F57: cancels what still runs at the deadline, destroys the rest half a second later', async () => {
  const it = harness({ max: 2 }, { onStatement: hangsIfSlow, onCancel: () => 20 })
  const [busy, idle] = await acquireMany(it, 2)
  const running = watch(busy!.value!.query('slow'))
  const closed = watch(it.pool.close({ timeoutMs: 1_000 }))
  await it.clock.advance(1_010)
  expect(running.state).toBe('pending')
  await it.clock.advance(20)
  expect(running.error).toMatchObject({ code: '57014', executed: 'rolled-back' })
  expect(closed.state).toBe('pending')
  await it.clock.advance(500)
  expect(closed.state).toBe('resolved')
  const late = watch(idle!.value!.query('select 1'))
  await it.clock.settle()
  expect(late.error).toMatchObject({ name: 'ConnectionLostError', executed: 'no' })
  busy!.value!.release()
  expectNothingLeft(it)
})

test('ends a second and a half after its deadline whatever statements, cancel requests and closes do', async () => {
  const it = harness(
    { max: 4 },
    { onStatement: hangsIfSlow, onCancel: () => 60_000, closeMs: 'hang' },
  )
  const leases = await acquireMany(it, 3)
  const running = watch(leases[0]!.value!.query('slow'))
  leases[1]!.value!.release()
  it.driver.options.onConnect = () => 'hang'
  const stuck = [watch(it.pool.acquire()), watch(it.pool.acquire()), watch(it.pool.openSession())]
  await it.clock.settle()
  const closed = watch(it.pool.close({ timeoutMs: 100 }))
  await it.clock.advance(1_650)
  expect(closed.state).toBe('resolved')
  expect(running.error).toMatchObject({ executed: 'unknown' })
  expect(stuck.every(({ state }) => state !== 'pending')).toBe(true)
  expectNothingLeft(it)
})

test('abandons connects under way at once', async () => {
  const it = harness({}, { onConnect: () => 'hang' })
  const waiting = watch(it.pool.acquire())
  await it.clock.settle()
  const closed = watch(it.pool.close())
  await it.clock.settle()
  expect(waiting.error?.name).toBe('PoolClosedError')
  expect(closed.state).toBe('resolved')
  expectNothingLeft(it)
})

test('leaves no timer behind when everything ends between the cancellation and the last resort', async () => {
  const it = harness({ max: 1 }, { onStatement: hangsIfSlow, onCancel: () => 5 })
  const running = watch(it.pool.query('slow'))
  await it.clock.settle()
  const closed = watch(it.pool.close({ timeoutMs: 10 }))
  await it.clock.advance(30)
  expect(running.state).toBe('rejected')
  expect(closed.state).toBe('resolved')
  expectNothingLeft(it)
})

test('is idempotent: every call settles together with the first, and calls afterwards are refused', async () => {
  const it = harness({ max: 1 })
  const [lease] = await acquireMany(it)
  const closes = [
    watch(it.pool.close()),
    watch(it.pool.close({ timeoutMs: 1 })),
    watch(it.pool[Symbol.asyncDispose]()),
  ]
  await it.clock.advance(100)
  expect(closes.map(({ state }) => state)).toEqual(['pending', 'pending', 'pending'])
  lease!.value!.release()
  await it.clock.settle()
  expect(closes.map(({ state }) => state)).toEqual(['resolved', 'resolved', 'resolved'])
  const late = [
    watch(it.pool.acquire()),
    watch(it.pool.query('select 1')),
    watch(it.pool.transaction(async () => {})),
    watch(it.pool.use(async () => {})),
    watch(it.pool.warm()),
    watch(it.pool.openSession()),
  ]
  await it.clock.settle()
  expect(late.map(({ error }) => error?.name)).toEqual(Array(6).fill('PoolClosedError'))
  expect(it.pool.tryAcquire()).toBeUndefined()
  await it.pool.close()
  expectNothingLeft(it)
})

test('refuses wrong options and stays open', async () => {
  const it = harness()
  for (const [options, text] of [
    [{ timeoutMs: -1 }, 'timeoutMs must be a number from 0'],
    [{ timeoutMs: Number.NaN }, 'timeoutMs'],
    [{ waiters: 'drop' }, '"reject", "serve", got "drop"'],
    [{ timeout: 1 }, 'did you mean "timeoutMs"'],
  ] as const) {
    const closed = watch(it.pool.close(options as never))
    await it.clock.settle()
    expect(closed.error?.message).toContain(text)
  }
  await acquireMany(it)
  expect(it.pool.stats().leased).toBe(1)
})

test('settles warm, recycle and sessions that were under way', async () => {
  const it = harness({ max: 2 }, { onConnect: (attempt) => (attempt > 1 ? 'hang' : undefined) })
  const [lease] = await acquireMany(it)
  const recycled = watch(it.pool.recycle())
  const others = [watch(it.pool.warm(2)), watch(it.pool.openSession())]
  await it.clock.settle()
  const closed = watch(it.pool.close())
  await it.clock.settle()
  expect(others.map(({ state }) => state)).toEqual(['rejected', 'rejected'])
  lease!.value!.release()
  await it.clock.settle()
  expect(recycled.state).toBe('resolved')
  expect(closed.state).toBe('resolved')
})

test('S91: settles a hundred callers and leaves nothing behind while the server is unreachable', async () => {
  const it = harness(
    { max: 10, min: 2 },
    { onConnect: (attempt) => (attempt % 2 ? 'hang' : new Error('refused')) },
  )
  const calls = Array.from({ length: 100 }, (_, index) =>
    watch<unknown>(index % 2 ? it.pool.query('select 1') : it.pool.transaction(async () => {})),
  )
  await it.clock.advance(700)
  const closed = watch(it.pool.close())
  await it.clock.settle()
  expect(closed.state).toBe('resolved')
  expect(calls.every(({ error }) => error?.name === 'PoolClosedError')).toBe(true)
  expectNothingLeft(it)
})

test('waits for the cancel connection of a session that is gone already', async () => {
  const { clock, pool } = harness({ max: 1 }, { onStatement: hangsIfSlow, onCancel: () => 60_000 })
  const query = watch(pool.query('slow'))
  await clock.settle()
  const closed = watch(pool.close({ timeoutMs: 0 }))
  await clock.advance(600)
  expect(query.state).toBe('rejected')
  expect(pool.stats().total).toBe(0)
  expect(closed.state).toBe('pending')
  await clock.advance(950)
  expect(closed.state).toBe('resolved')
})

test('abandons a session that is being opened, also while it serves its waiters', async () => {
  const it = harness({ max: 1 }, { onConnect: () => 'hang' })
  const session = watch(it.pool.openSession())
  await it.clock.settle()
  const closed = watch(it.pool.close({ waiters: 'serve' }))
  await it.clock.settle()
  expect(session.state).toBe('rejected')
  expect(closed.state).toBe('resolved')
  expectNothingLeft(it)
})

test('gives holders of a connection ten seconds by default', async () => {
  const it = harness({ max: 1 })
  await acquireMany(it)
  const closed = watch(it.pool.close())
  await it.clock.advance(9_990)
  expect(closed.state).toBe('pending')
  expect(it.driver.open.size).toBe(1)
  await it.clock.advance(20)
  expect(closed.state).toBe('resolved')
  expectNothingLeft(it)
})
