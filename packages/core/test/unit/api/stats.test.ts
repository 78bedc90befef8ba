import { expect, test } from 'vitest'
import { StatsRecorder } from '../../../src/engine/stats-recorder.js'
import type { PoolStats } from '../../../src/index.js'
import { sumStats } from '../../../src/kit.js'

function statsOf(factor: number): PoolStats {
  const recorder = new StatsRecorder()
  recorder.acquired = factor
  recorder.timeouts = 2 * factor
  recorder.wait.record(10 * factor)
  const gauges = {
    total: 5 * factor,
    idle: factor,
    connecting: factor,
    pending: 7 * factor,
    max: 10 * factor,
  }
  return recorder.snapshot(gauges, 2 * factor)
}

test('a pool without samples shows zeros, and what is neither idle nor connecting counts as leased', () => {
  const gauges = { total: 5, idle: 1, connecting: 1, pending: 0, max: 9 }
  const stats = new StatsRecorder().snapshot(gauges, 2)
  expect(stats).toMatchObject({
    leased: 3,
    waitMs: { p50: 0, p99: 0, max: 0 },
    counters: { acquired: 0 },
  })
})

test('the sum of several pools adds counts, takes the worst times, and keeps the parts', () => {
  const nodes = { a: statsOf(1), b: statsOf(2) }
  const sum = sumStats(nodes)
  expect(sum).toMatchObject({
    total: 15,
    idle: 3,
    leased: 9,
    connecting: 3,
    pending: 21,
    max: 30,
    min: 6,
    counters: { acquired: 3, timeouts: 6 },
    waitMs: { max: 20 },
    histograms: { waitMs: { sum: 30, count: 2 }, queryMs: { sum: 0, count: 0 } },
    nodes,
  })
  expect(Object.isFrozen(sum) && Object.isFrozen(sum.nodes)).toBe(true)
})

test('the sum of no pool at all is zero', () => {
  expect(sumStats({})).toMatchObject({ total: 0, leased: 0, waitMs: { p50: 0, p99: 0, max: 0 } })
})
