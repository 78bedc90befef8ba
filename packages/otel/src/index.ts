export {
  type Instrumentation,
  type InstrumentOptions,
  instrument,
} from './instrument.js'
export { type LogEventsOptions, type Logger, logEvents } from './log/log-events.js'
export {
  type MetricProducerOptions,
  metricProducer,
  type PoolhouseMetricProducer,
} from './metrics/metric-producer.js'
export { METRICS, type MetricInfo } from './metrics/metric-table.js'
export {
  type MetricsHandler,
  type MetricsHandlerOptions,
  type MetricsRequest,
  type MetricsResponse,
  metricsHandler,
} from './prometheus/metrics-handler.js'
export { SPANS, type SpanInfo } from './spans/span-table.js'
export type { SqlCommenterOptions } from './statement/sql-commenter.js'
