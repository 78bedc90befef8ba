import { createNoopMeter } from '@opentelemetry/api'
import type { Observable } from '@poolhouse/core/kit'
import { afterEach, expect, test, vi } from 'vitest'
import { ClusterMetrics } from '../../../src/metrics/cluster-metrics.js'

afterEach(() => vi.restoreAllMocks())

test('a node that is gone is told as 0 for ten minutes, and then no more', () => {
  let now = 0
  vi.spyOn(performance, 'now').mockImplementation(() => now)
  let nodes = [{ id: 'a', state: 'primary' }]
  const source = {
    pools: () => [{ name: 'app', kind: 'database', topology: () => ({ nodes }) }],
    on: () => {},
    off: () => {},
  } as unknown as Observable
  const cluster = new ClusterMetrics(createNoopMeter(), source)
  const told = (): unknown[] => {
    const seen: unknown[] = []
    cluster.observe((_key, value, { 'poolhouse.node': node }) => void seen.push([node, value]))
    return seen
  }
  expect(told()).toEqual([['a', 1]])
  nodes = [{ id: 'b', state: 'primary' }]
  const both = [
    ['a', 0],
    ['b', 1],
  ]
  expect(told()).toEqual(both)
  now = 600_000
  expect(told()).toEqual(both)
  now = 600_001
  expect(told()).toEqual([['b', 1]])
  // It comes back.
  nodes = [{ id: 'a', state: 'replica' }]
  expect(told()).toContainEqual(['a', 1])
  cluster.stop()
})
