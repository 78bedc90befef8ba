import {
  DatabaseError,
  type Pool,
  type QueryOptions,
  type QueryResult,
  type Statement,
} from '@poolhouse/core'
import type { AfterFailure } from '../base/read-failure.js'
import { eitherSignal, QueryRead, type ReadCall, type ReadTarget } from './read-call.js'

/** Runs a statement on the primary as what it is: nothing that has declared itself a read. */
export type OnPrimary<Row> = (
  statement: Statement,
  options: QueryOptions | undefined,
) => Promise<QueryResult<Row>>

/** What a classified statement must know beside itself. */
export interface ClassifiedSetting<Row> {
  /** The pool of the primary. */
  readonly primary: Pool
  /** Runs it there. */
  readonly onPrimary: OnPrimary<Row>
  /** Whether it certainly only reads. */
  readonly certain: boolean
  /** Whether it runs as a read on the primary too: a session must not take it for a write. */
  readonly asRead: boolean
}

/**
 * A statement that was taken for a read. On the primary it runs like any other, because it has
 * declared nothing.
 */
export class ClassifiedRead<Row> implements ReadCall<QueryResult<Row>> {
  readonly timeoutMs: number | undefined
  readonly signal: AbortSignal | undefined
  readonly started: boolean = false
  readonly repeatable: boolean
  /** Whether it was sent to the primary. */
  wentToPrimary = false
  readonly #statement: Statement
  readonly #options: QueryOptions
  readonly #setting: ClassifiedSetting<Row>
  readonly #read: QueryRead<Row>

  /** Takes what was given to `query`. */
  constructor(
    statement: Statement,
    options: QueryOptions | undefined,
    setting: ClassifiedSetting<Row>,
  ) {
    this.#statement = statement
    this.#options = options ?? {}
    this.#setting = setting
    this.#read = new QueryRead<Row>(statement, options)
    this.timeoutMs = options?.timeoutMs
    this.signal = options?.signal
    this.repeatable = setting.certain
  }

  run(
    target: ReadTarget,
    remainingMs: () => number | undefined,
    ended: () => void,
    stop?: AbortSignal,
  ): Promise<QueryResult<Row>> {
    const { primary, onPrimary, asRead } = this.#setting
    // Another server that would carry out writes is none that this statement may write to.
    if (asRead || target.pool !== primary) return this.#read.run(target, remainingMs, ended, stop)
    this.wentToPrimary = true
    const signal = eitherSignal(this.signal, stop)
    const options = { ...this.#options, signal, timeoutMs: remainingMs() }
    return onPrimary(this.#statement, options).finally(ended)
  }

  answered(result: QueryResult<Row>, stalenessMs: number): void {
    this.#read.answered(result, stalenessMs)
  }

  after(error: unknown): AfterFailure {
    const way = this.#read.after(error)
    // It has declared nothing, so it runs on the primary as what it is: whoever has sent it sees to
    // that.
    if (way === 'primary') return 'final'
    if (way !== 'sent' || this.#setting.certain) return way
    // What may write is never sent twice: the replica may have become a primary just then. A
    // cancelled one has done nothing.
    return error instanceof DatabaseError && error.executed !== 'unknown' ? way : 'final'
  }
}
