import type { WatchedPool } from '@poolhouse/core/kit'
import { afterEach, expect, test, vi } from 'vitest'
import { PoolGauges } from '../../../src/metrics/pool-gauges.js'

afterEach(() => vi.restoreAllMocks())

function pool(name: string): WatchedPool {
  const gauges = () => ({ idle: 1, leased: 2, pending: 0 })
  return { name, sizes: { max: 5, min: 1 }, leaks: 0, gauges } as unknown as WatchedPool
}

test('a pool that is gone is told as empty for ten minutes, and then no more', () => {
  let now = 0
  vi.spyOn(performance, 'now').mockImplementation(() => now)
  const gauges = new PoolGauges()
  const told = (): unknown[] => {
    const seen: unknown[] = []
    gauges.observe((key, value, of) => {
      if (key === 'max') seen.push([of['db.client.connection.pool.name'], value])
    })
    return seen
  }
  const [app, acme] = [pool('app'), pool('acme')]
  gauges.add(app)
  gauges.add(acme)
  expect(told()).toEqual([
    ['app', 5],
    ['acme', 5],
  ])
  gauges.remove(acme)
  expect(told()).toContainEqual(['acme', 0])
  now = 600_001
  expect(told()).toEqual([['app', 5]])
})
