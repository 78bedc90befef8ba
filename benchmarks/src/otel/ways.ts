import { context, metrics, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  type MetricProducer,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics'
import {
  AlwaysOnSampler,
  BasicTracerProvider,
  type Sampler,
  type SpanProcessor,
  TraceIdRatioBasedSampler,
} from '@opentelemetry/sdk-trace-base'
import type { Pool } from '@poolhouse/core'
import { type Instrumentation, instrument, metricProducer } from '@poolhouse/otel'

/** Registers an SDK, or none, and returns how a pool is instrumented with it. */
export type MakeWay = () => (pool: Pool) => Instrumentation

// Exporting is not what a call pays for.
const forgetful: SpanProcessor = {
  onStart: () => {},
  onEnd: () => {},
  forceFlush: async () => {},
  shutdown: async () => {},
}

function registerMetrics(producers: MetricProducer[]): void {
  const reader = new PeriodicExportingMetricReader({
    exporter: new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE),
    metricProducers: producers,
    exportIntervalMillis: 1_000,
    exportTimeoutMillis: 900,
  })
  metrics.setGlobalMeterProvider(new MeterProvider({ readers: [reader] }))
}

function registerTraces(sampler: Sampler): void {
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
  trace.setGlobalTracerProvider(new BasicTracerProvider({ sampler, spanProcessors: [forgetful] }))
}

/** What a service may do with `@poolhouse/otel`, by name. */
export const ways: Readonly<Record<string, MakeWay>> = {
  spans: () => {
    registerTraces(new AlwaysOnSampler())
    return (pool) => instrument(pool, { metrics: false })
  },
  'no SDK': () => (pool) => instrument(pool),
  metrics: () => {
    const producer = metricProducer()
    registerMetrics([producer])
    return (pool) => instrument(pool, { metrics: producer, traces: false })
  },
  'metrics by instruments': () => {
    registerMetrics([])
    return (pool) => instrument(pool, { traces: false })
  },
  'spans of 1 %': () => {
    registerTraces(new TraceIdRatioBasedSampler(0.01))
    return (pool) => instrument(pool, { metrics: false })
  },
}
