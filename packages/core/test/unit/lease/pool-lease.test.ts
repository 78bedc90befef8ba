import { expect, test } from 'vitest'
import type { Lease } from '../../../src/index.js'
import { acquireOne, hangsIfSlow, harness, sqlError, watch } from '../../harness.js'

test('F49: a second release only emits an event, even if the connection has another holder by then', async () => {
  const it = harness({ max: 1 })
  const events: unknown[] = []
  it.pool.on('release', ({ again }) => events.push(again))
  const first = await acquireOne(it)
  first.release()
  const second = await acquireOne(it)
  first.release()
  first.destroy('really')
  await it.clock.settle()
  expect(events).toEqual([undefined, true, true])
  const query = watch(second.query('select 1'))
  await it.clock.settle()
  expect(query.state).toBe('resolved')
  expect(it.pool.stats()).toMatchObject({ leased: 1, counters: { released: 1 } })
})

test('F50: every call on a lease that was given back is refused', async () => {
  const it = harness()
  const lease = await acquireOne(it)
  lease.release()
  const query = watch(lease.query('select 1'))
  await it.clock.settle()
  expect(query.error).toMatchObject({
    name: 'LeaseReleasedError',
    code: 'POOLHOUSE_LEASE_RELEASED',
    executed: 'no',
  })
  expect(() => lease.raw).toThrow('has been released')
  expect(lease.signal.aborted).toBe(true)
  expect(it.session().statements).toEqual([])
})

test('F50: a lease stays over when its connection is lent to another caller', async () => {
  const it = harness({ max: 1 })
  const old = await acquireOne(it)
  old.release()
  await acquireOne(it)
  const query = watch(old.query('select 1'))
  await it.clock.settle()
  expect(query.error?.name).toBe('LeaseReleasedError')
})

test('runs statements of one lease one after the other, in the order of the calls', async () => {
  const it = harness({ max: 1 }, { statementMs: 5 })
  const lease = await acquireOne(it)
  const queries = ['a', 'b', 'c'].map((text) => watch(lease.query(text)))
  await it.clock.advance(11)
  expect(queries.map(({ state }) => state)).toEqual(['resolved', 'resolved', 'pending'])
  await it.clock.advance(5)
  expect(it.session().statements).toEqual(['a', 'b', 'c'])
  expect(it.driver.violations).toEqual([])
})

test('goes on with the next statement after one that failed', async () => {
  const it = harness(
    {},
    { onStatement: ({ text }) => (text === 'bad' ? { error: sqlError('42601') } : undefined) },
  )
  const lease = await acquireOne(it)
  const queries = ['bad', 'good'].map((text) => watch(lease.query(text)))
  await it.clock.settle()
  expect(queries.map(({ state }) => state)).toEqual(['rejected', 'resolved'])
})

test('F53: fails statements that were not sent when the lease is given back, and cancels the one in flight', async () => {
  const it = harness({ max: 1 }, { onStatement: hangsIfSlow })
  const lease = await acquireOne(it)
  const running = watch(lease.query('slow'))
  const queued = watch(lease.query('select 1'))
  lease.release()
  await it.clock.settle()
  expect(queued.error).toMatchObject({ name: 'LeaseReleasedError', executed: 'no' })
  expect(running.error).toMatchObject({ code: '57014' })
  expect(it.session().statements).toEqual(['slow'])
  expect(it.pool.stats()).toMatchObject({ idle: 1 })
})

test('a queued statement keeps to its own deadline and its own signal', async () => {
  const it = harness({ max: 1 }, { onStatement: hangsIfSlow })
  const lease = await acquireOne(it)
  watch(lease.query('slow'))
  const abort = new AbortController()
  const timed = watch(lease.query('select 1', [], { timeoutMs: 50 }))
  const aborted = watch(lease.query('select 2', [], { signal: abort.signal }))
  await it.clock.advance(60)
  abort.abort()
  await it.clock.settle()
  expect(timed.error).toMatchObject({ name: 'StatementTimeoutError', executed: 'no' })
  expect(aborted.error).toMatchObject({ name: 'AbortError', executed: 'no' })
  expect(it.session().statements).toEqual(['slow'])
})

test('its signal fires when the session dies, with the reason', async () => {
  const it = harness()
  const lease = await acquireOne(it)
  const { signal } = lease
  expect(lease.signal).toBe(signal)
  it.session().lose('crash')
  await it.clock.settle()
  expect(signal.aborted).toBe(true)
  expect((signal.reason as Error).message).toBe('crash')
  expect(lease.signal.aborted).toBe(true)
})

test('its signal fires when the lease ends, and never for the next lease', async () => {
  const it = harness({ max: 1 })
  const first = await acquireOne(it)
  const { signal } = first
  first.release()
  const second = await acquireOne(it)
  expect(signal.aborted).toBe(true)
  expect(second.signal.aborted).toBe(false)
})

test('listeners of its signal run outside the state change', async () => {
  const it = harness({ max: 1 })
  const lease = await acquireOne(it)
  const seen: unknown[] = []
  lease.signal.addEventListener('abort', () => seen.push(it.pool.stats().idle))
  lease.release()
  expect(seen).toEqual([])
  await it.clock.settle()
  expect(seen).toEqual([1])
})

test('a statement on a lease whose session has died says that it was not sent', async () => {
  const it = harness()
  const lease = await acquireOne(it)
  it.session().lose('crash')
  const query = watch(lease.query('insert'))
  await it.clock.settle()
  expect(query.error).toMatchObject({
    name: 'ConnectionLostError',
    executed: 'no',
    retryable: true,
  })
  lease.release()
  expect(it.pool.stats()).toMatchObject({ total: 0, counters: { acquired: 1, released: 1 } })
})

test('statements queued behind one that the session did not survive say that they were not sent', async () => {
  const it = harness(
    {},
    { onStatement: ({ text }) => (text === 'die' ? { lose: 'crash' } : undefined) },
  )
  const lease = await acquireOne(it)
  const [died, queued] = [watch(lease.query('die')), watch(lease.query('insert'))]
  await it.clock.settle()
  expect(died.error).toMatchObject({ executed: 'unknown' })
  expect(queued.error).toMatchObject({ name: 'ConnectionLostError', executed: 'no' })
})

test('destroy ends the connection and serves the waiting caller with another', async () => {
  const it = harness({ max: 1 })
  const reasons: string[] = []
  it.pool.on('destroy', ({ reason }) => reasons.push(reason))
  const lease = await acquireOne(it)
  const waiting = watch(it.pool.acquire())
  lease.destroy('looks odd')
  await it.clock.settle()
  expect(reasons).toEqual(['looks odd'])
  expect(waiting.state).toBe('resolved')
  expect(it.driver.attempts).toBe(2)
  expect(it.driver.open.size).toBe(1)
})

test('destroy leaves the outcome of a running statement unknown', async () => {
  const it = harness({ max: 1 }, { onStatement: hangsIfSlow })
  const lease = await acquireOne(it)
  const query = watch(lease.query('slow'))
  lease.destroy()
  await it.clock.settle()
  expect(query.error).toMatchObject({ name: 'ConnectionLostError', executed: 'unknown' })
})

test('using-declarations and their like give a lease back once, even if its holder did already', async () => {
  const it = harness({ max: 1 })
  const lease = await acquireOne(it)
  await lease[Symbol.asyncDispose]()
  await lease[Symbol.asyncDispose]()
  expect(it.pool.stats()).toMatchObject({ idle: 1, counters: { released: 1 } })
})

test('use gives the connection back, whether its work returns, throws or destroys it', async () => {
  const it = harness({ max: 1 })
  const fault = new Error('work failed')
  const works: ((lease: Lease) => Promise<unknown>)[] = [
    async () => 7,
    async () => {
      throw fault
    },
    () => {
      throw fault
    },
    async (lease) => lease.release(),
    async (lease) => lease.destroy(),
  ]
  const results = []
  for (const work of works) {
    results.push(watch(it.pool.use(work)))
    await it.clock.settle()
  }
  expect(results.map(({ value, error }) => value ?? error)).toEqual([
    7,
    fault,
    fault,
    undefined,
    undefined,
  ])
  expect(it.pool.stats()).toMatchObject({ leased: 0, counters: { acquired: 5, released: 5 } })
})

test('use refuses work that is no function, without asking for a connection', async () => {
  const it = harness()
  const used = watch(it.pool.use(7 as never))
  await it.clock.settle()
  expect(used.error).toMatchObject({ name: 'TypeError' })
  expect(it.driver.attempts).toBe(0)
})

test('inspect shows each lease with its age, state and statement, and never a value', async () => {
  const it = harness({ max: 3 }, { onStatement: hangsIfSlow })
  const [busy, open] = [await acquireOne(it), await acquireOne(it)]
  await acquireOne(it)
  watch(busy.query('slow $1', ['secret']))
  watch(open.query('begin'))
  await it.clock.advance(250)
  const snapshot = it.pool.inspect()
  expect(snapshot).toMatchObject({ name: 'test', endpoint: 'localhost:5432/app' })
  expect(snapshot.leases.map(({ state, statement, heldMs }) => [state, statement, heldMs])).toEqual(
    [
      ['busy', 'slow $1', 250],
      ['idle in transaction', 'begin', 250],
      ['idle', undefined, 250],
    ],
  )
  expect(JSON.stringify(snapshot)).not.toContain('secret')
  expect(Object.isFrozen(snapshot)).toBe(true)
})
