import { expect, test } from 'vitest'
import { RecentWork } from '../../../src/watch/recent-work.js'
import { histogram, idle } from '../support/observed.js'

function reading(waits: number[], queries: number[], routing = {}) {
  const { histograms } = idle()
  return {
    histograms: { ...histograms, waitMs: histogram(...waits), queryMs: histogram(...queries) },
    routing,
  }
}

test('nothing is known of the last seconds at the first reading', () => {
  const { wait, query, perSecond, routes } = new RecentWork().read(
    0,
    reading([5], [5], { write: 9 }),
  )
  expect({ wait, query, perSecond }).toEqual({ wait: undefined, query: undefined, perSecond: 0 })
  expect(routes).toEqual([{ reason: 'write', count: 9, perSecond: 0 }])
})

test('percentiles are those of what came between two readings, not of all that ever came', () => {
  const work = new RecentWork()
  work.read(0, reading([1_000], [1_000]))
  const { wait, query, perSecond } = work.read(2_000, reading([1_000, 0, 100], [1_050, 50]))
  // 100 waits from 10 to 100 ms; 50 statements below 1 ms and 50 from 1 to 10 ms.
  expect(wait).toEqual({ p50: 55, p99: expect.closeTo(99.1) })
  expect(query).toEqual({ p50: 1, p99: expect.closeTo(9.82) })
  expect(perSecond).toBe(50)
})

test('a value above the last bound counts as that bound', () => {
  const work = new RecentWork()
  work.read(0, reading([], []))
  expect(work.read(1_000, reading([], [0, 0, 0, 1])).query).toEqual({ p50: 100, p99: 100 })
})

test('what is older than five seconds no longer counts', () => {
  const work = new RecentWork()
  work.read(0, reading([], []))
  work.read(1_000, reading([], [100], { replica: 100 }))
  for (let at = 2_000; at <= 6_000; at += 1_000) work.read(at, reading([], [100], { replica: 100 }))
  const { query, perSecond, routes } = work.read(6_500, reading([], [100], { replica: 100 }))
  expect({ query, perSecond }).toEqual({ query: undefined, perSecond: 0 })
  expect(routes).toEqual([{ reason: 'replica', count: 100, perSecond: 0 }])
})

test('after a pause without a page the next reading is a first one', () => {
  const work = new RecentWork()
  work.read(0, reading([], []))
  expect(work.read(60_000, reading([], [600])).perSecond).toBe(0)
  expect(work.read(61_000, reading([], [610])).perSecond).toBe(10)
})
