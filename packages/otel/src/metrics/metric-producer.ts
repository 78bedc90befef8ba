import { type Attributes, type HrTime, ValueType } from '@opentelemetry/api'
import { checkWord, refuseUnknownOptions } from '@poolhouse/core/kit'
import { SCOPE } from '../scope.js'
import { Buckets } from './buckets.js'
import type { MetricInfo } from './metric-table.js'
import type { Histograms, Recorder } from './recorder.js'

/**
 * Options of `metricProducer`.
 *
 * @example
 * metricProducer({ temporality: 'delta' })
 */
export interface MetricProducerOptions {
  /**
   * Whether values add up since the start, or since the last collection. What the exporter of the
   * reader wants. Default `cumulative`.
   */
  temporality?: 'cumulative' | 'delta' | undefined
}

/**
 * Keeps the histograms of calls itself, for one reader of the OpenTelemetry SDK, because its
 * instruments cost a call more than a microsecond for each value. Views do not apply to it.
 */
export interface PoolhouseMetricProducer {
  /**
   * What the reader calls: the collected histograms, in the form of the SDK.
   *
   * @example
   * const histograms = await metricProducer().collect() // what the SDK's reader does
   */
  collect(options?: unknown): Promise<never>
}

interface Series {
  readonly attributes: Attributes
  readonly buckets: Buckets
}

// As the SDK does: more sets of attributes than that share one.
const MOST_SERIES = 2_000
const OVERFLOW: Attributes = { 'otel.metric.overflow': true }
const DELTA = 0
const CUMULATIVE = 1
const HISTOGRAM = 0

/**
 * Makes a producer to give to one reader, as `metricProducers: [producer]`, and to `instrument`, as
 * `metrics: producer`. Throws `TypeError` for wrong options.
 *
 * @example
 * import { MeterProvider, PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics'
 *
 * const producer = metricProducer()
 * const reader = new PeriodicExportingMetricReader({ exporter, metricProducers: [producer] })
 * instrument(pool, { meterProvider: new MeterProvider({ readers: [reader] }), metrics: producer })
 */
export function metricProducer(options: MetricProducerOptions = {}): PoolhouseMetricProducer {
  refuseUnknownOptions('metricProducer', options, new Set(['temporality']))
  const { temporality = 'cumulative' } = options
  checkWord('metricProducer', 'temporality', temporality, ['cumulative', 'delta'])
  return new KeptHistograms(temporality === 'delta')
}

/** The histograms of calls, kept here until a reader collects them. */
export class KeptHistograms implements PoolhouseMetricProducer, Histograms {
  readonly #isDelta: boolean
  readonly #histograms = new Map<MetricInfo, Map<string, Series>>()
  #since = timeNow()

  /** Begins empty; `isDelta` forgets what was collected. */
  constructor(isDelta: boolean) {
    this.#isDelta = isDelta
  }

  histogram(info: MetricInfo): (attributes: Attributes) => Recorder {
    const all = this.#histograms.get(info) ?? new Map<string, Series>()
    this.#histograms.set(info, all)
    return (attributes) => {
      const isFull = all.size >= MOST_SERIES - 1
      const key = JSON.stringify(Object.entries(attributes).sort())
      const known = all.get(key)
      if (known !== undefined) return known.buckets
      const kept = isFull ? OVERFLOW : attributes
      const series = (isFull && all.get('')) || {
        attributes: kept,
        buckets: new Buckets(info.bounds!),
      }
      all.set(isFull ? '' : key, series)
      return series.buckets
    }
  }

  async collect(): Promise<never> {
    const [startTime, endTime] = [this.#since, timeNow()]
    const metrics = [...this.#histograms].map(([info, series]) => ({
      descriptor: {
        name: info.name,
        description: info.description,
        unit: info.unit,
        type: 'HISTOGRAM',
        valueType: ValueType.DOUBLE,
      },
      aggregationTemporality: this.#isDelta ? DELTA : CUMULATIVE,
      dataPointType: HISTOGRAM,
      dataPoints: [...series.values()].flatMap(({ attributes, buckets }) => {
        const value = buckets.value()
        if (this.#isDelta) buckets.reset()
        return value.count === 0 ? [] : [{ startTime, endTime, attributes, value }]
      }),
    }))
    if (this.#isDelta) this.#since = endTime
    const scopeMetrics = [{ scope: SCOPE, metrics: metrics.filter((m) => m.dataPoints.length > 0) }]
    // The reader keeps the resource of its own provider.
    return { resourceMetrics: { resource: undefined, scopeMetrics }, errors: [] } as never
  }
}

function timeNow(): HrTime {
  const ms = Date.now()
  return [Math.floor(ms / 1_000), (ms % 1_000) * 1_000_000]
}
