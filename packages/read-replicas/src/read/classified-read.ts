import {
  DatabaseError,
  type Pool,
  type QueryOptions,
  type QueryResult,
  type Statement,
} from '@poolhouse/core'
import type { AfterFailure } from '../base/read-failure.js'
import { eitherSignal, QueryRead, type ReadCall, type ReadTarget } from './read-call.js'

/** Runs a statement on the primary as an undeclared one, which may write. */
export type OnPrimary<Row> = (
  statement: Statement,
  options: QueryOptions | undefined,
) => Promise<QueryResult<Row>>

/** How a classified statement is to run. */
export interface ClassifiedSetting<Row> {
  /** The pool of the primary. */
  readonly primary: Pool
  /** Runs the statement there. */
  readonly onPrimary: OnPrimary<Row>
  /** Whether it is certain to only read. */
  readonly certain: boolean
  /**
   * Whether it runs as a read on the primary too, so that a session does not take it for a write.
   */
  readonly asRead: boolean
}

/**
 * A statement that its text shows to be a read. On the primary it runs like any undeclared
 * statement.
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

  /** Takes the arguments of `query`. */
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
    // Only the pool's own primary may carry out a write of this statement.
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
    // It is not declared a read, so `ClassifiedReads` runs it on the primary as an undeclared
    // statement.
    if (way === 'primary') return 'final'
    if (way !== 'sent' || this.#setting.certain) return way
    // A statement that may write is never sent twice: the replica may just have become a primary. A
    // cancelled one has done nothing.
    return error instanceof DatabaseError && error.executed !== 'unknown' ? way : 'final'
  }
}
