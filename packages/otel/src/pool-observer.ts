import {
  type Attributes,
  type Context,
  context,
  ROOT_CONTEXT,
  type Span,
  trace,
} from '@opentelemetry/api'
import type { CallObserver, ObservedResult, WatchedPool } from '@poolhouse/core/kit'
import { TextMemory } from '@poolhouse/core/sql'
import type { CallMetrics, PoolRecorders } from './metrics/call-metrics.js'
import { SummarySeries } from './metrics/summary-series.js'
import { end, type Spans } from './spans/spans.js'
import { poolAttributes, queryAttributes, serverAttributes } from './statement/attributes.js'
import { summaryOf } from './statement/query-summary.js'

/** What an observer records with. */
export interface Recording {
  /** The histograms; undefined if no metrics are recorded. */
  readonly metrics: CallMetrics | undefined
  /** The spans; undefined if none are recorded. */
  readonly spans: Spans | undefined
  /** A call has waited for a connection in vain. */
  timedOut(pool: Attributes): void
  /** The pool is watched no more. */
  stopped(pool: WatchedPool): void
}

/** What is known of one text. */
interface StatementInfo {
  readonly summary: string
  readonly series: SummarySeries | undefined
  readonly attributes: Attributes
}

// Longer texts are generated, and seldom come back.
const LONGEST_TEXT = 10_000
// Beyond this many, statements are told apart by their first word alone.
const MOST_SUMMARIES = 1_000

/** Records what one pool of connections does. */
export class PoolObserver implements CallObserver {
  readonly #pool: WatchedPool
  readonly #recording: Recording
  readonly #metrics: CallMetrics | undefined
  readonly #spans: Spans | undefined
  readonly #poolAttributes: Attributes
  readonly #recorders: PoolRecorders | undefined
  #endpoint: WatchedPool['endpoint']
  #server!: Attributes
  #serverAndPool!: Attributes
  #series = new Map<string, SummarySeries>()
  #texts = new TextMemory<StatementInfo>(LONGEST_TEXT, (text) => this.#read(text))

  /** Records the calls of this pool. */
  constructor(pool: WatchedPool, recording: Recording) {
    this.#pool = pool
    this.#recording = recording
    this.#metrics = recording.metrics
    this.#spans = recording.spans
    this.#poolAttributes = Object.freeze(poolAttributes(pool.name))
    this.#recorders = this.#metrics?.poolRecorders(this.#poolAttributes)
    this.#endpoint = pool.endpoint
    this.#look()
  }

  get comments(): boolean {
    return false
  }

  commented(_begun: unknown, text: string): string {
    return text
  }

  began(text: string): unknown {
    const tracer = this.#spans?.tracer
    if (tracer === undefined) return undefined
    const { summary, attributes } = this.#texts.of(text)
    return this.#spans!.query(tracer, summary, attributes)
  }

  waited(begun: unknown, waitMs: number): void {
    const span = begun as Span | undefined
    if (span?.isRecording() !== true) return
    this.#spans!.waited(this.#serverAndPool, waitMs, trace.setSpan(ROOT_CONTEXT, span))
  }

  ended(
    begun: unknown,
    text: string,
    durationMs: number,
    error: unknown,
    result: ObservedResult | undefined,
  ): void {
    const hasRows = result !== undefined && result.fields.length > 0
    if (this.#metrics !== undefined) {
      const series = this.#texts.of(text).series!
      if (error === undefined)
        series.succeeded(durationMs, hasRows ? result.rows.length : undefined)
      else {
        series.failed(durationMs, error)
        this.#countTimeout(error)
      }
    }
    if (begun === undefined) return
    const span = begun as Span
    if (hasRows && span.isRecording()) {
      span.setAttribute('db.response.returned_rows', result.rows.length)
    }
    end(span, error)
  }

  acquiring(): Context | undefined {
    return this.#spans?.tracer && context.active()
  }

  acquired(begun: unknown, waitMs: number, error: unknown): void {
    if (error !== undefined) this.#countTimeout(error)
    if (begun === undefined) return
    this.#spans!.waited(this.#serverAndPool, waitMs, begun as Context, error)
  }

  async transaction<R>(run: () => Promise<R>): Promise<R> {
    const spans = this.#spans
    const span = spans?.begin('transaction', this.#serverAndPool)
    if (span === undefined) return await run()
    let failure: unknown
    try {
      return await context.with(spans!.inside(span), run)
    } catch (error) {
      failure = error
      throw error
    } finally {
      end(span, failure)
    }
  }

  connecting(): Span | undefined {
    if (this.#endpoint !== this.#pool.endpoint) this.#look()
    return this.#spans?.begin('connect', this.#serverAndPool, true)
  }

  connected(begun: unknown, createMs: number, error: unknown): void {
    if (error === undefined) this.#recorders?.create.record(createMs / 1_000)
    if (begun !== undefined) end(begun as Span, error)
  }

  lent(waitMs: number): void {
    this.#recorders?.wait.record(waitMs / 1_000)
  }

  returned(useMs: number): void {
    this.#recorders?.use.record(useMs / 1_000)
  }

  stopped(): void {
    this.#recording.stopped(this.#pool)
  }

  /** Looks where the pool leads to now. */
  #look(): void {
    this.#endpoint = this.#pool.endpoint
    this.#server = serverAttributes(this.#endpoint)
    this.#serverAndPool = Object.freeze({ ...this.#server, ...this.#poolAttributes })
    this.#series = new Map()
    this.#texts = new TextMemory(LONGEST_TEXT, (text) => this.#read(text))
  }

  #read(text: string): StatementInfo {
    let summary = summaryOf(text)
    if (!this.#series.has(summary) && this.#series.size >= MOST_SUMMARIES) {
      summary = summary.split(' ', 1)[0]!
    }
    const attributes = queryAttributes(this.#serverAndPool, summary, text)
    return { summary, series: this.#seriesOf(summary), attributes }
  }

  #seriesOf(summary: string): SummarySeries | undefined {
    if (this.#metrics === undefined) return undefined
    const known = this.#series.get(summary)
    if (known !== undefined) return known
    const series = new SummarySeries(summary, this.#server, this.#metrics)
    this.#series.set(summary, series)
    return series
  }

  #countTimeout(error: unknown): void {
    const isTimeout = error instanceof Error && error.name === 'AcquireTimeoutError'
    if (isTimeout) this.#recording.timedOut(this.#poolAttributes)
  }
}
