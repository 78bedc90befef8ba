export {
  type Instrumentation,
  type InstrumentOptions,
  instrument,
} from './instrument.js'
export {
  type MetricProducerOptions,
  metricProducer,
  type PoolhouseMetricProducer,
} from './metrics/metric-producer.js'
export { METRICS, type MetricInfo } from './metrics/metric-table.js'
export { SPANS, type SpanInfo } from './spans/span-table.js'
