import { afterEach, expect, test, vi } from 'vitest'

type Module = typeof import('../../../src/base/real-timers.js')

afterEach(() => {
  vi.useRealTimers()
})

test('T16: finds the real timers when fakes were installed before it was loaded', async () => {
  const { setImmediate, setTimeout, clearImmediate, clearTimeout, queueMicrotask } = globalThis
  vi.useFakeTimers({
    toFake: [
      'setTimeout',
      'clearTimeout',
      'setImmediate',
      'clearImmediate',
      'queueMicrotask',
      'Date',
    ],
  })
  vi.setSystemTime(0)
  const fresh = '../../../src/base/real-timers.js?loaded-under-fakes'
  const { realTimers, timersAreReal, withRealTimers } = (await import(fresh)) as Module
  expect(realTimers).toMatchObject({
    setImmediate,
    setTimeout,
    clearImmediate,
    clearTimeout,
    queueMicrotask,
  })
  expect(realTimers.wallNow()).toBeGreaterThan(Date.UTC(2020))
  expect(timersAreReal()).toBe(false)
  const faked = globalThis.setImmediate
  // What is called back may call again, and the fakes are where they were.
  await new Promise<void>((resolve) => {
    withRealTimers(() => globalThis.setImmediate(() => globalThis.setTimeout(resolve, 1)))
  })
  expect(globalThis.setImmediate).toBe(faked)
})
