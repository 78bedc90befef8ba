import { expect, test } from 'vitest'
import { AuthenticationError, ConnectError, type ReadyOptions } from '../../../src/index.js'
import { harness, watch } from '../../harness.js'

test('T93: ready opens a connection, gives it back and sends no statement', async () => {
  const sent: string[] = []
  const { pool, clock, driver } = harness(
    {},
    { connectMs: 20, onStatement: ({ text }) => void sent.push(text) },
  )
  const ready = watch(pool.ready())
  await clock.advance(19)
  expect(ready.state).toBe('pending')
  await clock.advance(1)
  expect(ready.state).toBe('resolved')
  expect(pool.stats()).toMatchObject({ total: 1, idle: 1, leased: 0, pending: 0 })
  expect(driver.open.size).toBe(1)
  expect(sent).toEqual([])
})

test('T93: ready waits for a server that refuses connects as yet, to its deadline, and says why', async () => {
  let up = false
  const { pool, clock } = harness(
    { acquireTimeoutMs: 3_000 },
    {
      onConnect: () => (up ? undefined : new ConnectError('refused', { endpoint: 'localhost' })),
    },
  )
  const late = watch(pool.ready())
  const shorter = watch(pool.ready({ timeoutMs: 1_000 }))
  await clock.advance(1_000)
  expect(shorter.error).toMatchObject({ name: 'AcquireTimeoutError', executed: 'no' })
  expect(shorter.error?.cause).toMatchObject({ name: 'ConnectError' })
  expect(late.state).toBe('pending')
  await clock.advance(2_000)
  expect(late.error).toMatchObject({ name: 'AcquireTimeoutError' })
  const ready = watch(pool.ready())
  up = true
  await clock.advance(2_900)
  expect(ready.state).toBe('resolved')
})

test('T93: ready is told at once that the server refuses the user', async () => {
  const { pool, clock } = harness(
    {},
    {
      onConnect: () => new AuthenticationError('no', { endpoint: 'localhost', fatal: true }),
    },
  )
  const ready = watch(pool.ready())
  await clock.settle()
  expect(ready.error).toMatchObject({ name: 'AuthenticationError' })
})

test('T93: ready resolves while every connection is kept by callers who came first', async () => {
  const { pool, clock } = harness({ max: 1 }, { connectMs: 10 })
  const kept = watch(pool.acquire())
  const ready = watch(pool.ready())
  await clock.advance(10)
  expect(ready.state).toBe('resolved')
  expect(kept.state).toBe('resolved')
  const again = watch(pool.ready())
  await clock.settle()
  expect(again.state).toBe('resolved')
})

test('T93: ready has an idle connection of long ago proved', async () => {
  const { pool, clock, session } = harness({ maxLifetimeMs: 3_600_000, idleTimeoutMs: 3_600_000 })
  await pool.ready()
  await clock.advance(20_000)
  const ready = watch(pool.ready())
  expect(session().pinging).toBe(true)
  await clock.settle()
  expect(ready.state).toBe('resolved')
})

test('T93: ready rejects on a closed pool, on one that closes and when its signal fires, and leaves no timer', async () => {
  const { pool, clock } = harness({}, { connectMs: 50 })
  const abort = new AbortController()
  const aborted = watch(pool.ready({ signal: abort.signal }))
  const closed = watch(pool.ready())
  abort.abort('enough')
  await clock.settle()
  expect(aborted.error).toMatchObject({ name: 'AbortError', cause: 'enough', executed: 'no' })
  await expect(pool.ready({ signal: abort.signal })).rejects.toMatchObject({ name: 'AbortError' })
  await pool.close()
  expect(closed.error).toMatchObject({ name: 'PoolClosedError' })
  await expect(pool.ready()).rejects.toMatchObject({ name: 'PoolClosedError' })
  expect(clock.pendingTimers).toBe(0)
})

test.each<[unknown, string]>([
  [{ timeoutMs: 0 }, 'ready: timeoutMs must be above 0'],
  [{ timeoutMs: '1' }, 'ready: timeoutMs must be a number'],
  [{ timeoutms: 1 }, 'ready: unknown option'],
  [{ signal: {} }, 'ready: signal must be an AbortSignal'],
  [7, 'ready: options must be an object'],
])('T93: ready rejects with an error that names what is wrong: %j', async (options, message) => {
  const { pool } = harness()
  await expect(pool.ready(options as ReadyOptions)).rejects.toThrow(message)
})
