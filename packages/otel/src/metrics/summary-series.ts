import type { Attributes } from '@opentelemetry/api'
import { failureAttributes, failureType } from '../failure-attributes.js'
import type { CallMetrics } from './call-metrics.js'
import type { Recorder } from './recorder.js'

/**
 * What is recorded of the statements of one pool that have one summary: the recorders of their
 * metrics, each with its attributes.
 */
export class SummarySeries {
  /** What the statements do, in few words. */
  readonly summary: string
  readonly #metrics: CallMetrics
  readonly #attributes: Attributes
  readonly #duration: Recorder
  #rows: Recorder | undefined
  #failures: Map<string, Recorder> | undefined

  /** `server` says where the statements run. */
  constructor(summary: string, server: Attributes, metrics: CallMetrics) {
    this.summary = summary
    this.#metrics = metrics
    this.#attributes = Object.freeze({ ...server, 'db.query.summary': summary })
    this.#duration = metrics.duration(this.#attributes)
  }

  /** A statement has succeeded. `rows` is undefined where it returns none. */
  succeeded(durationMs: number, rows: number | undefined): void {
    this.#duration.record(durationMs / 1_000)
    if (rows === undefined) return
    this.#rows ??= this.#metrics.rows(this.#attributes)
    this.#rows.record(rows)
  }

  /** A statement has failed. */
  failed(durationMs: number, error: unknown): void {
    const type = failureType(error)
    this.#failures ??= new Map()
    let recorder = this.#failures.get(type)
    if (recorder === undefined) {
      recorder = this.#metrics.duration({ ...this.#attributes, ...failureAttributes(error) })
      this.#failures.set(type, recorder)
    }
    recorder.record(durationMs / 1_000)
  }
}
