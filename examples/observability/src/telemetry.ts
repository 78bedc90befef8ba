import { context, metrics, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
  type ResourceMetrics,
} from '@opentelemetry/sdk-metrics'
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  type ReadableSpan,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base'
import { metricProducer, type PoolhouseMetricProducer } from '@poolhouse/otel'

/**
 * The SDK of OpenTelemetry, registered for the whole process as an application does it, but with
 * exporters that keep what they get in memory. In production these two would speak OTLP.
 */
export class Telemetry {
  /** Keeps the histograms of calls: `instrument` gets it too. */
  readonly producer: PoolhouseMetricProducer = metricProducer()
  readonly #spans = new InMemorySpanExporter()
  readonly #metrics = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE)
  readonly #tracerProvider = new BasicTracerProvider({
    spanProcessors: [new SimpleSpanProcessor(this.#spans)],
  })
  readonly #meterProvider = new MeterProvider({
    readers: [
      new PeriodicExportingMetricReader({
        exporter: this.#metrics,
        metricProducers: [this.producer],
      }),
    ],
  })

  /** Registers it. Do so before `instrument`. */
  constructor() {
    // Without it a span would not know the span that it is in.
    context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
    trace.setGlobalTracerProvider(this.#tracerProvider)
    metrics.setGlobalMeterProvider(this.#meterProvider)
  }

  /** The spans that have ended, since the start or since they were forgotten. */
  get spans(): readonly ReadableSpan[] {
    return this.#spans.getFinishedSpans()
  }

  /** Makes room. */
  forgetSpans(): void {
    this.#spans.reset()
  }

  /** What the reader exports now. */
  async readMetrics(): Promise<ResourceMetrics> {
    await this.#meterProvider.forceFlush()
    const exported = this.#metrics.getMetrics().at(-1)
    this.#metrics.reset()
    if (exported === undefined) throw new Error('the reader exported nothing')
    return exported
  }

  /** Ends it. */
  async close(): Promise<void> {
    await Promise.all([this.#tracerProvider.shutdown(), this.#meterProvider.shutdown()])
  }
}
