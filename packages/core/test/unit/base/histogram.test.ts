import fc from 'fast-check'
import { expect, test } from 'vitest'
import { BOUNDS_MS, Histogram, sumHistograms } from '../../../src/base/histogram.js'

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

const time = fc.oneof(
  fc.double({ min: 0, max: 200_000, noNaN: true }),
  fc.constantFrom(...BOUNDS_MS),
  fc.constantFrom(...BOUNDS_MS.map((ms) => ms * (1 + Number.EPSILON))),
)

test('T120: puts each value into the bucket of the first bound that is not below it', () => {
  expect(BOUNDS_MS).toEqual(BOUNDS_MS.toSorted((a, b) => a - b))
  fc.assert(
    fc.property(fc.array(time, { maxLength: 50 }), (samples) => {
      const histogram = new Histogram()
      for (const sample of samples) histogram.record(sample)
      const { le, counts, sum, count } = histogram.snapshot()
      const expected = Array.from({ length: le.length + 1 }, () => 0)
      for (const sample of samples) {
        const bucket = le.findIndex((bound) => sample <= bound)
        expected[bucket === -1 ? le.length : bucket]!++
      }
      expect(counts).toEqual(expected)
      expect(count).toBe(samples.length)
      expect(sum).toBeCloseTo(
        samples.reduce((total, sample) => total + sample, 0),
        3,
      )
    }),
  )
})

test('T120: histograms add up, also that of no pool', () => {
  const [one, other] = [new Histogram(), new Histogram()]
  one.record(1)
  other.record(1)
  other.record(90_000)
  const sum = sumHistograms([one.snapshot(), other.snapshot()])
  expect(sum).toMatchObject({ sum: 90_002, count: 3 })
  expect(sum.counts[BOUNDS_MS.indexOf(1)]).toBe(2)
  expect(sum.counts.at(-1)).toBe(1)
  expect(sumHistograms([])).toEqual(new Histogram().snapshot())
})

test('T120: a copy of a histogram stays as it is', () => {
  const histogram = new Histogram()
  const before = histogram.snapshot()
  histogram.record(3)
  expect(before.count).toBe(0)
  expect(before.counts.reduce((sum, held) => sum + held)).toBe(0)
})
