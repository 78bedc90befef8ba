import { expect, test } from 'vitest'
import { harness, watch } from '../../harness.js'

test('a pool has one timer, however many calls wait or run', async () => {
  const it = harness(
    { max: 2, maxPending: 10_000, leakWarningMs: 1_000 },
    { onStatement: () => ({ hang: true }) },
  )
  const running = Array.from({ length: 2 }, () => watch(it.pool.query('slow')))
  await it.clock.settle()
  const waiting = Array.from({ length: 3_000 }, (_, index) =>
    watch<unknown>(
      index % 2 === 0
        ? it.pool.query('select 1', [], { timeoutMs: 100 + index })
        : it.pool.acquire({ timeoutMs: 100 + index }),
    ),
  )
  await it.clock.settle()
  expect(it.pool.stats()).toMatchObject({ leased: 2, pending: 3_000 })
  expect(it.clock.pendingTimers).toBe(1)
  await it.clock.advance(1_000)
  expect(it.clock.pendingTimers).toBe(1)
  await it.clock.advance(5_000)
  expect(waiting.every(({ state }) => state === 'rejected')).toBe(true)
  expect(running.every(({ state }) => state === 'pending')).toBe(true)
  expect(it.clock.pendingTimers).toBe(1)
})
