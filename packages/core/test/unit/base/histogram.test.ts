import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Histogram } from '../../../src/base/histogram.js'

test('returns 0 before the first sample', () => {
  const histogram = new Histogram()
  expect([
    histogram.percentile(0.5),
    histogram.percentile(0.99),
    histogram.max,
    histogram.count,
  ]).toEqual([0, 0, 0, 0])
})

test('never returns a percentile that is too low, or more than 6.25 % too high', () => {
  fc.assert(
    fc.property(
      fc.array(fc.double({ min: 0, max: 2_000_000, noNaN: true }), { minLength: 1, maxLength: 50 }),
      fc.constantFrom(0.01, 0.5, 0.9, 0.99, 1),
      (samples, share) => {
        const histogram = new Histogram()
        for (const sample of samples) histogram.record(sample)
        const sorted = samples.toSorted((a, b) => a - b)
        const exact = sorted[Math.ceil(share * sorted.length) - 1]!
        const said = histogram.percentile(share)
        // Fractions of a microsecond are not kept.
        expect(said).toBeGreaterThanOrEqual(exact - 0.001)
        expect(said).toBeLessThanOrEqual(exact * 1.0625 + 0.001)
        expect(histogram.max).toBe(sorted.at(-1))
      },
    ),
  )
})

test('counts negative times as 0 and accepts times beyond its range', () => {
  const histogram = new Histogram()
  histogram.record(-5)
  expect(histogram.percentile(1)).toBe(0)
  histogram.record(1e12)
  histogram.record(Number.POSITIVE_INFINITY)
  expect(histogram.count).toBe(3)
  expect(histogram.percentile(0.99)).toBeGreaterThan(2_000_000)
})
