import { expect, test } from 'vitest'
import { harness } from '../../harness.js'

test('refuses thousands of waiters that time out together a few hundred at a time, in one chain of turns', async () => {
  const { clock } = harness()
  const turns: number[] = []
  let rejected = 0
  let hasty = 0
  const it = harness({
    max: 1,
    maxPending: 10_000,
    acquireTimeoutMs: 100,
    clock: {
      ...clock,
      now: () => clock.now(),
      setTimer: (fire, delayMs, options) => {
        // A timer for what the next turn does anyway begins a second chain, and that one a third.
        if (turns.length > 0 && rejected < 3_000 && delayMs <= 1) hasty++
        return clock.setTimer(fire, delayMs, options)
      },
      afterIo: (fire) => {
        clock.afterIo(() => {
          const before = rejected
          fire()
          queueMicrotask(() => queueMicrotask(() => turns.push(rejected - before)))
        })
      },
    },
  })
  const holding = it.pool.acquire()
  await it.clock.advance(0)
  await clock.advance(50)
  expect((await holding).connection).toBe(1)
  for (let i = 0; i < 3_000; i++) it.pool.acquire().catch(() => rejected++)
  await clock.advance(150)
  expect(rejected).toBe(3_000)
  expect(Math.max(...turns)).toBeLessThanOrEqual(500)
  expect(hasty).toBe(0)
})
