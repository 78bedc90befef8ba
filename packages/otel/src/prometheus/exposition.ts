import type { HistogramStats } from '@poolhouse/core'
import type { Metric, MetricObjectWithValues, MetricValue, Registry } from 'prom-client'
import type { PrometheusMetric, SampleValue } from './prometheus-table.js'
import type { View } from './view.js'

type Labels = Readonly<Record<string, string>>
type Value = MetricValue<string> & { metricName?: string }

// One in two or three of the bounds of a pool, and every one that OpenTelemetry advises: each costs
// one series for each pool and histogram.
const SHOWN_BOUNDS = /^0?\.?[125]0*$|^[36]0000$/

/**
 * Registers a metric whose samples are read when it is scraped. `view` returns what is shown by the
 * scrape that is being answered.
 */
export function registerMetric(
  registry: Registry,
  metric: PrometheusMetric,
  view: () => View,
): void {
  const { name, help, type, labels } = metric
  const pulled = {
    name,
    get: (): Promise<MetricObjectWithValues<Value>> => {
      const values: Value[] = []
      for (const [given, value] of metric.samples(view())) {
        const named = Object.fromEntries(labels.map((label, index) => [label, given[index]!]))
        values.push(...valuesOf(name, named, value))
      }
      return Promise.resolve({ name, help, type, values, aggregator: 'sum' } as never)
    },
    reset: () => {},
  }
  registry.registerMetric(pulled as unknown as Metric)
}

function valuesOf(name: string, labels: Labels, value: SampleValue): readonly Value[] {
  if (typeof value === 'number') return [{ labels, value }]
  if ('sumMs' in value) return sumAndCount(name, labels, value.sumMs, value.count)
  return [...bucketsOf(name, labels, value), ...sumAndCount(name, labels, value.sum, value.count)]
}

function* bucketsOf(
  name: string,
  labels: Labels,
  { le, counts, count }: HistogramStats,
): Iterable<Value> {
  const metricName = `${name}_bucket`
  let below = 0
  for (const [index, bound] of le.entries()) {
    below += counts[index]!
    if (!SHOWN_BOUNDS.test(String(bound))) continue
    yield { metricName, labels: { ...labels, le: String(bound / 1_000) }, value: below }
  }
  yield { metricName, labels: { ...labels, le: '+Inf' }, value: count }
}

function sumAndCount(name: string, labels: Labels, sumMs: number, count: number): Value[] {
  return [
    { metricName: `${name}_sum`, labels, value: sumMs / 1_000 },
    { metricName: `${name}_count`, labels, value: count },
  ]
}
