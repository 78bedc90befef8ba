import {
  type Counter,
  createNoopMeter,
  type Histogram,
  type MeterProvider,
} from '@opentelemetry/api'
import type { Observable } from '@poolhouse/core/kit'
import { failureAttributes } from '../failure-attributes.js'
import { SCOPE } from '../scope.js'
import { CallMetrics } from './call-metrics.js'
import { ClusterMetrics, counterOf, NODE_GAUGES } from './cluster-metrics.js'
import { metric } from './metric-table.js'
import { ObservedMetrics } from './observed-metrics.js'
import { POOL_GAUGES, PoolGauges } from './pool-gauges.js'
import { type Histograms, histogramsOf } from './recorder.js'
import { observeStats, STATS_GAUGES } from './stats-metrics.js'

/** The metrics of one instrumentation. */
export class MetricsRecording {
  /** The histograms of calls; undefined where no one reads them. */
  readonly calls: CallMetrics | undefined
  /** The pools of connections that are watched. */
  readonly pools: PoolGauges = new PoolGauges()
  readonly #timeouts: Counter
  readonly #retried: Counter
  readonly #held: Histogram
  readonly #cluster: ClusterMetrics
  readonly #observed: ObservedMetrics

  /**
   * `source` is what is watched, a manager or a pool. `kept` has the histograms of calls in the
   * place of instruments of the provider.
   */
  constructor(
    source: Observable,
    provider: MeterProvider,
    kept: Histograms | undefined,
    isManager: boolean,
  ) {
    const meter = provider.getMeter(SCOPE.name, undefined, { schemaUrl: SCOPE.schemaUrl })
    const isUnread = kept === undefined && meter === createNoopMeter()
    this.calls = isUnread ? undefined : new CallMetrics(kept ?? histogramsOf(meter))
    this.#timeouts = counterOf(meter, 'timeouts')
    this.#retried = counterOf(meter, 'retried')
    const { name, unit, description, bounds } = metric('holdDuration')
    const advice = { explicitBucketBoundaries: [...bounds!] }
    this.#held = meter.createHistogram(name, { unit, description, advice })
    this.#cluster = new ClusterMetrics(meter, source)
    const keys = [...POOL_GAUGES, ...NODE_GAUGES, ...STATS_GAUGES]
    this.#observed = new ObservedMetrics(meter, keys, (observe) => {
      this.pools.observe(observe)
      this.#cluster.observe(observe)
      observeStats(source.stats(), isManager, observe)
    })
  }

  /** A call has waited for a connection in vain. */
  timedOut(pool: Readonly<Record<string, string>>): void {
    this.#timeouts.add(1, pool)
  }

  /** A call is sent again. */
  retried(pool: string): void {
    this.#retried.add(1, { 'poolhouse.pool': pool })
  }

  /** A call was held for so long, and then refused if there is an error. */
  held(pool: string, heldMs: number, error: unknown): void {
    const failure =
      error === undefined ? {} : { 'error.type': failureAttributes(error)['error.type'] }
    this.#held.record(heldMs / 1_000, { 'poolhouse.pool': pool, ...failure })
  }

  /** Records nothing any more. */
  stop(): void {
    this.#observed.stop()
    this.#cluster.stop()
  }
}
