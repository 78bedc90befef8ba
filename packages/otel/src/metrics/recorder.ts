import type { Attributes, Meter } from '@opentelemetry/api'
import type { MetricInfo } from './metric-table.js'

/** Takes the values of a histogram that have the same attributes. */
export interface Recorder {
  /** Records one value. */
  record(value: number): void
}

/** Where the histograms of calls are kept. */
export interface Histograms {
  /** Returns who makes the recorders of one histogram, by their attributes. */
  histogram(info: MetricInfo): (attributes: Attributes) => Recorder
}

/** Hands every value to an instrument of OpenTelemetry, which costs a call about a microsecond. */
export function histogramsOf(meter: Meter): Histograms {
  return {
    histogram({ name, unit, description, bounds }) {
      const advice = { explicitBucketBoundaries: [...bounds!] }
      const instrument = meter.createHistogram(name, { unit, description, advice })
      return (attributes) => ({ record: (value) => instrument.record(value, attributes) })
    },
  }
}
