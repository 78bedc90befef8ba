import { type MeterProvider, metrics, type TracerProvider, trace } from '@opentelemetry/api'
import type { Pool } from '@poolhouse/core'
import {
  type CallObserver,
  type CallWatcher,
  checkBoolean,
  describeValue,
  type Observable,
  observe,
  refuseUnknownOptions,
  type WatchedPool,
  watchCalls,
} from '@poolhouse/core/kit'
import { CommentingObserver } from './commenting-observer.js'
import { KeptHistograms, type PoolhouseMetricProducer } from './metrics/metric-producer.js'
import { MetricsRecording } from './metrics/metrics-recording.js'
import { PoolObserver, type Recording } from './pool-observer.js'
import { end, Spans } from './spans/spans.js'
import { SqlCommenter, type SqlCommenterOptions } from './statement/sql-commenter.js'

/**
 * What `instrument` records, and where.
 *
 * @example
 * import { metrics, trace } from '@opentelemetry/api'
 *
 * instrument(pool, {
 *   meterProvider: metrics.getMeterProvider(),
 *   tracerProvider: trace.getTracerProvider(),
 *   metrics: metricProducer(),
 *   traces: false,
 *   sqlcommenter: { tags: { application: 'shop' } },
 * })
 */
export interface InstrumentOptions {
  /** Where metrics go. Default: the global provider, which the SDK must have registered before. */
  meterProvider?: MeterProvider | undefined
  /** Where spans go. Default: the global provider. */
  tracerProvider?: TracerProvider | undefined
  /**
   * Whether metrics are recorded; with a `metricProducer()`, it keeps the histograms of calls,
   * which costs them less. Default true.
   */
  metrics?: boolean | PoolhouseMetricProducer | undefined
  /** Whether spans are recorded. Default true. */
  traces?: boolean | undefined
  /**
   * Whether statements get comments at their end that the server sees in its log and in
   * `pg_stat_activity`: true for the name of their span, or what they say. A statement with a name,
   * a text that has a comment, batches, streams and copies get none. Each text is another one then,
   * so such statements get no automatic names and share no connection: they cost more. Default
   * false.
   */
  sqlcommenter?: boolean | SqlCommenterOptions | undefined
}

/** What `instrument` has begun. */
export interface Instrumentation {
  /**
   * Records nothing any more. Idempotent.
   *
   * @example
   * const instrumentation = instrument(pool)
   * instrumentation.stop()
   */
  stop(): void
}

const OPTIONS = new Set(['meterProvider', 'tracerProvider', 'metrics', 'traces', 'sqlcommenter'])
// What is instrumented now.
const instrumented = new WeakMap<object, RunningInstrumentation>()

/**
 * Records metrics and spans of a pool with all pools that it is made of, or of all databases and
 * tenants of a manager, by the semantic conventions of OpenTelemetry. A pool of connections that is
 * part of two instrumented pools is recorded once, for the first.
 *
 * Throws `TypeError` for a target that is neither, for one that is instrumented already, and for
 * wrong options.
 *
 * @example
 * const instrumentation = instrument(manager, { sqlcommenter: true })
 */
export function instrument(
  target: Pool | Observable,
  options: InstrumentOptions = {},
): Instrumentation {
  refuseUnknownOptions('instrument', options, OPTIONS)
  checkTarget(target)
  const started = new RunningInstrumentation(target, options)
  instrumented.set(target, started)
  return {
    stop: () => {
      started.stop()
      // A second call must not end a later one.
      if (instrumented.get(target) === started) instrumented.delete(target)
    },
  }
}

function checkTarget(target: Pool | Observable): void {
  const { on, off, stats } = (target ?? {}) as Partial<Pool>
  if ([on, off, stats].some((method) => typeof method !== 'function')) {
    throw new TypeError(`instrument: give a pool or a manager, got ${describeValue(target)}`)
  }
  if (instrumented.has(target)) {
    const what = 'name' in target ? `pool "${target.name}"` : 'this manager'
    throw new TypeError(`instrument: ${what} is instrumented already; call stop() of that first`)
  }
}

class RunningInstrumentation implements CallWatcher {
  readonly #metrics: MetricsRecording | undefined
  readonly #spans: Spans | undefined
  readonly #commenter: SqlCommenter | undefined
  readonly #unwatch: () => void

  constructor(target: Pool | Observable, options: InstrumentOptions) {
    const { metrics: wanted = true, traces = true, sqlcommenter = false } = options
    const { meterProvider = metrics.getMeterProvider() } = options
    const { tracerProvider = trace.getTracerProvider() } = options
    const kept = wanted instanceof KeptHistograms ? wanted : undefined
    if (kept === undefined) checkBoolean('instrument', 'metrics', wanted)
    checkBoolean('instrument', 'traces', traces)
    checkProvider('meterProvider', 'getMeter', meterProvider)
    checkProvider('tracerProvider', 'getTracer', tracerProvider)
    if (typeof sqlcommenter !== 'object') {
      checkBoolean('instrument', 'sqlcommenter', sqlcommenter)
    }
    if (sqlcommenter !== false) {
      this.#commenter = new SqlCommenter(sqlcommenter === true ? {} : sqlcommenter)
    }
    this.#spans = traces ? new Spans(tracerProvider) : undefined
    this.#metrics =
      wanted === false
        ? undefined
        : new MetricsRecording(observe(target), meterProvider, kept, 'pools' in target)
    this.#unwatch = watchCalls(target, this)
  }

  watch(pool: WatchedPool): CallObserver {
    this.#metrics?.pools.add(pool)
    const recording: Recording = {
      metrics: this.#metrics?.calls,
      spans: this.#spans,
      timedOut: (attributes) => this.#metrics?.timedOut(attributes as Record<string, string>),
      stopped: () => this.#metrics?.pools.remove(pool),
    }
    return this.#commenter === undefined
      ? new PoolObserver(pool, recording)
      : new CommentingObserver(pool, recording, this.#commenter)
  }

  held(pool: string): (error: unknown) => void {
    const since = performance.now()
    const attributes = { 'db.system.name': 'postgresql', 'poolhouse.pool': pool }
    const span = this.#spans?.begin('hold', attributes)
    return (error) => {
      if (span !== undefined) end(span, error)
      this.#metrics?.held(pool, performance.now() - since, error)
    }
  }

  retried(pool: string): void {
    this.#metrics?.retried(pool)
  }

  stop(): void {
    this.#unwatch()
    this.#metrics?.stop()
  }
}

function checkProvider(name: string, method: string, provider: unknown): void {
  const found = (provider as Record<string, unknown> | null)?.[method]
  if (typeof found === 'function') return
  throw new TypeError(
    `instrument: ${name} must have a method ${method}, got ${describeValue(provider)}`,
  )
}
