import { type PoolStats, percentilesOf } from '../api/stats.js'
import { Histogram } from '../base/histogram.js'
import { SlowTexts } from '../observe/slow-texts.js'
import type { PoolGauges } from '../outcome/errors.js'

type Gauges = Omit<PoolGauges, 'pool' | 'endpoint' | 'leased'>

/**
 * Counts what happens to one pool. Recording is a few additions; the snapshot is made on demand.
 */
export class StatsRecorder {
  acquired = 0
  released = 0
  created = 0
  destroyed = 0
  timeouts = 0
  errors = 0
  leaks = 0
  readonly wait: Histogram = new Histogram()
  readonly use: Histogram = new Histogram()
  readonly create: Histogram = new Histogram()
  readonly query: Histogram = new Histogram()
  readonly slow: SlowTexts = new SlowTexts()

  /** A connection was lent, after a wait of this length. */
  lent(waitMs: number): void {
    this.acquired++
    this.wait.record(waitMs)
  }

  /** A connection came back, after a use of this length. */
  returned(useMs: number): void {
    this.released++
    this.use.record(useMs)
  }

  /** A statement with this text is over; times are those of the pool's clock. */
  ran(text: string, startedAt: number, endedAt: number): void {
    const ms = endedAt - startedAt
    this.query.record(ms)
    this.slow.took(text, ms, endedAt)
  }

  /** An immutable picture of a pool that keeps `min` connections. */
  snapshot(gauges: Gauges, min: number): PoolStats {
    return Object.freeze({
      total: gauges.total,
      idle: gauges.idle,
      leased: gauges.total - gauges.idle - gauges.connecting,
      connecting: gauges.connecting,
      pending: gauges.pending,
      max: gauges.max,
      min,
      counters: Object.freeze({
        acquired: this.acquired,
        released: this.released,
        created: this.created,
        destroyed: this.destroyed,
        timeouts: this.timeouts,
        errors: this.errors,
        leaks: this.leaks,
      }),
      waitMs: percentilesOf(this.wait),
      useMs: percentilesOf(this.use),
      createMs: percentilesOf(this.create),
      queryMs: percentilesOf(this.query),
      histograms: Object.freeze({
        waitMs: this.wait.snapshot(),
        useMs: this.use.snapshot(),
        createMs: this.create.snapshot(),
        queryMs: this.query.snapshot(),
      }),
    })
  }
}
