import { createPool } from '@poolhouse/core'
import { fakeDriver, virtualClock } from '@poolhouse/core/testing'
import { expect, test } from 'vitest'
import { expectGuideToShow } from './guide.js'
import { PausablePool } from './pausable-pool.js'

function pausable(): PausablePool {
  const clock = virtualClock()
  const driver = fakeDriver({ clock })
  return new PausablePool(createPool({ driver, connection: 'postgres://localhost/app', clock }))
}

test('the guide shows the example as it is compiled and tested here', async () => {
  await expectGuideToShow('write-a-decorator', './pausable-pool.ts')
})

test('the example of the guide keeps every kind of call back until it goes on', async () => {
  const pool = pausable()
  pool.pause()
  const ended: string[] = []
  const calls = [
    pool.query('select 1'),
    pool.acquire().then((lease) => lease.release()),
    pool.use(async () => undefined),
    pool.transaction(async () => undefined),
    pool.stream('select 1').next(),
  ].map((call, index) => call.then(() => ended.push(`${index}`)))
  await Promise.resolve()
  expect(pool.stats().pending).toBe(calls.length)
  expect(ended).toEqual([])
  pool.resume()
  await Promise.all(calls)
  expect(ended).toHaveLength(calls.length)
  await pool.close()
})

test('the example of the guide lets go of a call whose signal fires, and of a stream that is left', async () => {
  const pool = pausable()
  pool.pause()
  const ends = new AbortController()
  const call = pool.query('select 1', [], { signal: ends.signal })
  const stream = pool.stream('select 1')
  const first = stream.next()
  await Promise.resolve()
  expect(pool.stats().pending).toBe(2)
  ends.abort('enough')
  await expect(call).rejects.toMatchObject({ name: 'AbortError', executed: 'no' })
  await stream.return()
  expect(await first).toEqual({ done: true, value: undefined })
  expect(pool.stats().pending).toBe(0)
  const left = pool.query('select 1')
  await pool.close()
  await expect(left).rejects.toMatchObject({ name: 'PoolClosedError' })
})

test('the example of the guide counts its wait against the limit of the call', async () => {
  const pool = pausable()
  pool.pause()
  await expect(pool.query('select 1', [], { timeoutMs: 1 })).rejects.toMatchObject({
    name: 'AbortError',
    executed: 'no',
  })
  await pool.close()
})
