import { describe, expect, test } from 'vitest'
import { LatencyLog } from '../src/whole/latency-log.js'
import { LAST, perSecond, steadiness } from '../src/whole/steadiness.js'

describe('LatencyLog', () => {
  test('keeps any number of durations and finds those of a share', () => {
    const log = new LatencyLog()
    const count = 600_000
    // In an order of its own: each once, as the step shares no factor with their number.
    for (let at = 0; at < count; at++) log.add((at * 7_919) % count)
    expect(log.count).toBe(count)
    expect(log.quantiles(0, 0.5, 0.99)).toEqual([0, count / 2, 0.99 * count])
  })

  test('has no quantile of nothing', () => {
    expect(new LatencyLog().quantiles(0.5)).toEqual([Number.NaN])
  })
})

describe('steadiness', () => {
  test('divides the last five seconds by the best five', () => {
    const calls = perSecond(8)
    for (const [second, count] of [10, 20, 20, 20, 20, 20, 10, 10].entries()) {
      for (let call = 0; call < count; call++) calls.add(second * 1_000 + 999.9)
    }
    // What is answered after the last second is not counted.
    calls.add(8_000)
    expect(steadiness(calls.counts)).toEqual({ 'calls/s': 130 / 8, [LAST]: 0.8 })
  })
})
