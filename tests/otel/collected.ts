import { type Context, context, type TracerProvider, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import {
  AggregationTemporality,
  type DataPoint,
  type Histogram,
  InMemoryMetricExporter,
  MeterProvider,
  type MetricProducer,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics'
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  type ReadableSpan,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base'
import { onTestFinished } from 'vitest'

type Attributes = Readonly<Record<string, unknown>>

/** What an SDK has collected. */
export interface Collected {
  /** The data points of a metric whose attributes hold these. */
  points(name: string, attributes?: Attributes): DataPoint<number | Histogram>[]
  /** The sum of the values of these points; of a histogram, of the numbers of values. */
  total(name: string, attributes?: Attributes): number
}

/** A provider of the SDK, until the test is over, and how to collect what was recorded with it. */
export function metricsSdk(producers: MetricProducer[] = []): {
  readonly meterProvider: MeterProvider
  collect(): Promise<Collected>
} {
  const reader = new PeriodicExportingMetricReader({
    exporter: new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE),
    metricProducers: producers,
    exportIntervalMillis: 1e8,
    exportTimeoutMillis: 1e4,
  })
  const meterProvider = new MeterProvider({ readers: [reader] })
  onTestFinished(() => meterProvider.shutdown())
  return {
    meterProvider,
    collect: async () => {
      const { resourceMetrics, errors } = await reader.collect()
      if (errors.length > 0) throw errors[0]
      const all = resourceMetrics.scopeMetrics.flatMap(({ metrics }) => metrics)
      const points: Collected['points'] = (name, attributes = {}) =>
        all
          .filter(({ descriptor }) => descriptor.name === name)
          .flatMap(({ dataPoints }) => dataPoints as DataPoint<number | Histogram>[])
          .filter((point) => holds(point.attributes, attributes))
      return {
        points,
        total: (name, attributes) =>
          points(name, attributes)
            .map(({ value }) => (typeof value === 'number' ? value : value.count))
            .reduce((sum, value) => sum + value, 0),
      }
    },
  }
}

/** A provider of the SDK that keeps its spans, and the context manager, until the test is over. */
export function tracesSdk(): {
  readonly tracerProvider: TracerProvider
  /** The spans that have ended, in order. */
  spans(): readonly ReadableSpan[]
  /** Runs work inside a new span; resolves with its id when that is over. */
  within(work: () => Promise<unknown>): Promise<string>
} {
  const exporter = new InMemorySpanExporter()
  const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] })
  const manager = new AsyncLocalStorageContextManager().enable()
  context.setGlobalContextManager(manager)
  onTestFinished(() => {
    context.disable()
    return provider.shutdown()
  })
  return {
    tracerProvider: provider,
    spans: () => exporter.getFinishedSpans(),
    within: async (work) => {
      const span = provider.getTracer('test').startSpan('request')
      const inside: Context = trace.setSpan(context.active(), span)
      await context.with(inside, work)
      span.end()
      return span.spanContext().spanId
    },
  }
}

function holds(all: Attributes, some: Attributes): boolean {
  return Object.entries(some).every(([name, value]) => all[name] === value)
}
