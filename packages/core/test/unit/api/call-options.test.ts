import { expect, test } from 'vitest'
import { harness, watch } from '../../harness.js'

test.each([
  [{ timeoutMs: 0 }, 'acquire: timeoutMs must be'],
  [{ timeoutMs: -1 }, 'acquire: timeoutMs'],
  [{ timeoutMs: Number.NaN }, 'got NaN'],
  [{ timeoutMs: Number.POSITIVE_INFINITY }, 'got Infinity'],
  [{ timeoutMs: '5s' }, 'acquire: timeoutMs must be a number, got "5s"'],
  [{ signal: {} }, 'acquire: signal must be an AbortSignal, got an object'],
  [{ signal: new AbortController() }, 'acquire: signal must be an AbortSignal'],
  [{ priority: 1.5 }, 'acquire: priority must be a whole number'],
  [{ priority: Number.NaN }, 'acquire: priority'],
  [{ priority: 'high' }, 'acquire: priority must be a number, got "high"'],
  [{ priority: 1_001 }, 'acquire: priority'],
  [{ intent: 'maybe' }, 'acquire: intent must be "read" or "write", got "maybe"'],
  [{ prority: 1 }, 'acquire: unknown option "prority"; did you mean "priority"?'],
])('acquire and use refuse %j', async (options, reason) => {
  const { clock, driver, pool } = harness()
  const calls = [
    watch(pool.acquire(options as never)),
    watch(pool.use(async () => {}, options as never)),
  ]
  await clock.settle()
  for (const { error } of calls) {
    expect(String(error)).toMatch(/^(?:TypeError|RangeError): /)
    expect(error?.message).toContain(reason)
  }
  expect(driver.attempts).toBe(0)
  expect(pool.stats().pending).toBe(0)
})

test.each([
  [{ timeoutMs: 0 }, 'query: timeoutMs must be'],
  [{ timeoutMs: Number.NaN }, 'got NaN'],
  [{ signal: 'abort' }, 'query: signal must be an AbortSignal, got "abort"'],
  [{ intent: 1 }, 'query: intent'],
  [{ priority: 1 }, 'query: unknown option "priority"'],
  [{ maxStalenessMs: -1 }, 'query: maxStalenessMs'],
  [{ maxStalenessMs: Number.NaN }, 'query: maxStalenessMs'],
])('query refuses %j on a pool, a lease and in a transaction', async (options, reason) => {
  const { clock, pool, session } = harness({ max: 3 })
  const lease = watch(pool.acquire())
  await clock.settle()
  const calls = [
    watch(pool.query('select 1', [], options as never)),
    watch(lease.value!.query({ text: 'select 1' }, options as never)),
    watch(pool.transaction((tx) => tx.query('select 1', [], options as never))),
  ]
  await clock.settle()
  for (const { error } of calls) expect(error?.message).toContain(reason)
  expect(session(0).statements).not.toContain('select 1')
})

test('takes options whose values are undefined, and time-outs below a millisecond', async () => {
  const { clock, pool } = harness()
  const none = { timeoutMs: undefined, signal: undefined, intent: undefined }
  const calls = [
    watch(pool.acquire({ ...none, priority: undefined })),
    watch(pool.query('select 1', undefined, none)),
    watch(pool.query('select 1', [], { timeoutMs: 0.5 })),
  ]
  await clock.settle()
  expect(calls.map(({ error }) => error)).toEqual([undefined, undefined, undefined])
})

test.each([
  [[undefined], 'expected SQL text or an object with a `text` property'],
  [[{ sql: 'select 1' }], 'expected SQL text or an object'],
  [[null], 'expected SQL text or an object'],
  [['select 1', { timeoutMs: 5 }], 'pass undefined as values to give options only'],
  [['select 1', 'x'], 'values must be an array'],
  [[{ text: 'select 1' }, [1]], 'put the values into statement.values'],
])('query refuses the arguments %j', async (args, reason) => {
  const { clock, driver, pool } = harness()
  const query = watch(pool.query(...(args as [string])))
  await clock.settle()
  expect(query.error).toBeInstanceOf(TypeError)
  expect(query.error?.message).toContain(reason)
  expect(driver.attempts).toBe(0)
})
