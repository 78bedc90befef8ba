import type { Attributes, BatchObservableResult, Meter, Observable } from '@opentelemetry/api'
import { type MetricKey, metric } from './metric-table.js'

/**
 * The SDK goes on telling the last value of what is observed no more, so what is gone is told as
 * empty or 0 for so long, in milliseconds: every reader collects meanwhile. Then it is forgotten.
 */
export const TOLD_AS_GONE_MS = 600_000

/** Takes one value of an observed metric. */
export type Observe = (key: MetricKey, value: number, attributes: Attributes) => void

/** Reads values when metrics are collected; all metrics that are observed share one call. */
export class ObservedMetrics {
  readonly #meter: Meter
  readonly #instruments = new Map<MetricKey, Observable>()
  readonly #read: (observe: Observe) => void
  readonly #callback = (result: BatchObservableResult): void => {
    this.#read((key, value, attributes) => {
      result.observe(this.#instruments.get(key)!, value, attributes)
    })
  }

  /** `read` tells every value. */
  constructor(meter: Meter, keys: readonly MetricKey[], read: (observe: Observe) => void) {
    this.#meter = meter
    this.#read = read
    for (const key of keys) this.#instruments.set(key, this.#instrument(key))
    meter.addBatchObservableCallback(this.#callback, [...this.#instruments.values()])
  }

  /** Tells nothing any more. */
  stop(): void {
    this.#meter.removeBatchObservableCallback(this.#callback, [...this.#instruments.values()])
  }

  #instrument(key: MetricKey): Observable {
    const { name, unit, description, instrument } = metric(key)
    const options = { unit, description }
    switch (instrument) {
      case 'observed counter':
        return this.#meter.createObservableCounter(name, options)
      case 'observed up-down counter':
        return this.#meter.createObservableUpDownCounter(name, options)
      default:
        return this.#meter.createObservableGauge(name, options)
    }
  }
}
