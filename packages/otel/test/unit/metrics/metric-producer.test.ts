import { describe, expect, it } from 'vitest'
import { KeptHistograms, metricProducer } from '../../../src/metrics/metric-producer.js'
import { metric } from '../../../src/metrics/metric-table.js'

interface Point {
  readonly attributes: unknown
  readonly value: { readonly count: number; readonly sum: number; readonly buckets: unknown }
}

async function pointsOf(kept: KeptHistograms): Promise<readonly Point[]> {
  const { resourceMetrics } = (await kept.collect()) as {
    resourceMetrics: { scopeMetrics: { metrics: { dataPoints: Point[] }[] }[] }
  }
  return resourceMetrics.scopeMetrics[0]!.metrics.flatMap(({ dataPoints }) => dataPoints)
}

describe('a metric producer', () => {
  it('counts values in buckets whose bounds belong to the lower one, as the SDK does', async () => {
    const kept = new KeptHistograms(false)
    const recorder = kept.histogram(metric('operationDuration'))({ a: 'x' })
    for (const value of [0, 0.001, 0.0011, 10, 11]) recorder.record(value)
    const [point] = await pointsOf(kept)
    expect(point).toMatchObject({
      attributes: { a: 'x' },
      value: {
        count: 5,
        sum: 21.0021,
        min: 0,
        max: 11,
        buckets: { counts: [2, 1, 0, 0, 0, 0, 0, 0, 1, 1] },
      },
    })
  })

  it('adds up over collections, or begins anew with each', async () => {
    for (const [isDelta, counts] of [
      [false, [1, 2]],
      [true, [1, 1]],
    ] as const) {
      const kept = new KeptHistograms(isDelta)
      const recorder = kept.histogram(metric('waitTime'))({})
      for (const count of counts) {
        recorder.record(1)
        expect((await pointsOf(kept))[0]!.value.count).toBe(count)
      }
    }
  })

  it('keeps values with equal attributes together, and beyond 2,000 sets of them all others', async () => {
    const kept = new KeptHistograms(false)
    const recorders = kept.histogram(metric('waitTime'))
    recorders({ a: 1, b: 2 }).record(1)
    recorders({ b: 2, a: 1 }).record(1)
    for (let n = 0; n < 3_000; n++) recorders({ n }).record(1)
    const points = await pointsOf(kept)
    expect(points).toHaveLength(2_000)
    expect(points[0]!.value.count).toBe(2)
    expect(points.at(-1)).toMatchObject({
      attributes: { 'otel.metric.overflow': true },
      value: { count: 1_002 },
    })
  })

  it('refuses wrong options', () => {
    expect(() => metricProducer({ temporality: 'both' as never })).toThrow(
      'metricProducer: temporality must be one of "cumulative", "delta", got "both"',
    )
    expect(() => metricProducer({ temporal: 1 } as never)).toThrow('did you mean "temporality"?')
  })
})
