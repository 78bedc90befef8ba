import { expect, test } from 'vitest'
import { hangsIfSlow, harness, watch } from '../../harness.js'

test('F54, X15, T89: frees the caller after 200 ms at the latest and lends the connection again only when the cancel request is settled', async () => {
  const { clock, driver, pool } = harness(
    { max: 1 },
    { onStatement: hangsIfSlow, onCancel: () => 500 },
  )
  const abort = new AbortController()
  const aborted = watch(pool.query('slow', [], { signal: abort.signal }))
  await clock.settle()
  const next = watch(pool.query('select 1'))
  abort.abort('enough')
  await clock.advance(199)
  expect(aborted.state).toBe('pending')
  await clock.advance(2)
  expect(aborted.error).toMatchObject({ name: 'AbortError', executed: 'unknown', cause: 'enough' })
  await clock.advance(289)
  expect(next.state).toBe('pending')
  await clock.advance(20)
  expect(next.state).toBe('resolved')
  expect(driver.attempts).toBe(1)
  expect(driver.violations).toEqual([])
})

test('F54, X15: waits for the cancel request even when the statement ended by itself before it arrived', async () => {
  const { clock, driver, pool } = harness({ max: 1 }, { statementMs: 10, onCancel: () => 500 })
  const abort = new AbortController()
  watch(pool.query('select 1', [], { signal: abort.signal }))
  await clock.advance(5)
  abort.abort()
  const next = watch(pool.query('select 2'))
  await clock.advance(490)
  expect(next.state).toBe('pending')
  await clock.advance(100)
  expect(next.state).toBe('resolved')
  expect(driver.violations).toEqual([])
})

test('X15: no statement is ever the victim of a cancel request meant for another', async () => {
  const { clock, driver, pool } = harness(
    { max: 3 },
    { statementMs: () => 1 + (driver.attempts % 7), onCancel: () => 20 },
  )
  const innocent = []
  for (let round = 0; round < 400; round++) {
    const abort = new AbortController()
    watch(pool.query(`guilty ${round}`, [], { signal: abort.signal }))
    innocent.push(watch(pool.query(`innocent ${round}`)))
    await clock.advance(round % 4)
    abort.abort()
    await clock.advance(1)
  }
  await clock.advance(1_000)
  expect(innocent.filter(({ state }) => state !== 'resolved')).toEqual([])
  expect(driver.violations).toEqual([])
})

test('X15: a statement of the same lease waits for the cancel request as well', async () => {
  const { clock, driver, pool } = harness(
    { max: 1 },
    { onStatement: hangsIfSlow, onCancel: () => 50 },
  )
  const lease = watch(pool.acquire())
  await clock.settle()
  const abort = new AbortController()
  watch(lease.value!.query('slow', [], { signal: abort.signal }))
  const next = watch(lease.value!.query('select 1'))
  abort.abort()
  await clock.advance(40)
  expect(next.state).toBe('pending')
  await clock.advance(20)
  expect(next.state).toBe('resolved')
  expect(driver.violations).toEqual([])
})

test('destroys the connection when the cancel request fails, since it may still arrive', async () => {
  const { clock, driver, pool } = harness(
    { max: 1 },
    { onStatement: hangsIfSlow, onCancel: () => new Error('no route') },
  )
  const abort = new AbortController()
  watch(pool.query('slow', [], { signal: abort.signal }))
  await clock.settle()
  abort.abort()
  const next = watch(pool.query('select 1'))
  await clock.settle()
  expect(next.state).toBe('resolved')
  expect(driver.attempts).toBe(2)
  expect(driver.open.size).toBe(1)
})

test('destroys the connection when the cancel request hangs', async () => {
  const { clock, driver, pool } = harness(
    { max: 1 },
    { onStatement: hangsIfSlow, onCancel: () => 60_000 },
  )
  const abort = new AbortController()
  watch(pool.query('slow', [], { signal: abort.signal }))
  await clock.settle()
  abort.abort()
  const next = watch(pool.query('select 1'))
  await clock.advance(1_600)
  expect(next.state).toBe('resolved')
  expect(driver.attempts).toBe(2)
})

test('destroys the connection when the statement does not end although the request has arrived', async () => {
  const { clock, driver, pool, session } = harness({ max: 1 }, { onStatement: hangsIfSlow })
  const abort = new AbortController()
  const lease = watch(pool.acquire())
  await clock.settle()
  session().cancel = () => Promise.resolve()
  watch(lease.value!.query('slow', [], { signal: abort.signal }))
  const queued = watch(lease.value!.query('select 1'))
  abort.abort()
  await clock.advance(1_900)
  expect(driver.open.size).toBe(1)
  await clock.advance(200)
  expect(driver.open.size).toBe(0)
  expect(queued.error).toMatchObject({ name: 'ConnectionLostError', executed: 'no' })
})

test('leaves the next statement alone when the one that was cancelled ended in time', async () => {
  const { clock, driver, pool } = harness({ max: 1 }, { onStatement: hangsIfSlow })
  const abort = new AbortController()
  const lease = watch(pool.acquire())
  await clock.settle()
  watch(lease.value!.query('slow', [], { signal: abort.signal }))
  abort.abort()
  watch(lease.value!.query('slow too'))
  await clock.advance(5_000)
  expect(driver.open.size).toBe(1)
})

test('sends one cancel request however many reasons there are', async () => {
  let requests = 0
  const { clock, pool } = harness(
    { max: 1 },
    {
      onStatement: hangsIfSlow,
      onCancel: () => {
        requests++
        return 50
      },
    },
  )
  const abort = new AbortController()
  const lease = watch(pool.acquire())
  await clock.settle()
  watch(lease.value!.query('slow', [], { signal: abort.signal, timeoutMs: 10 }))
  await clock.advance(12)
  abort.abort()
  lease.value!.release()
  await clock.advance(100)
  expect(requests).toBe(1)
})
