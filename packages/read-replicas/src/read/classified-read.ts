import {
  DatabaseError,
  NoSuitableNodeError,
  type Pool,
  type QueryOptions,
  type QueryResult,
  type Statement,
} from '@poolhouse/core'
import { type AfterFailure, afterFailure } from '../base/read-failure.js'
import { eitherSignal, QueryRead, type ReadTarget, type UndeclaredRead } from './read-call.js'
import { causeOf, type Refusal, refusalOf } from './refusal.js'

/** Runs a statement on the primary as an undeclared one, which may write. */
export type OnPrimary<Row> = (
  statement: Statement,
  options: QueryOptions | undefined,
) => Promise<QueryResult<Row>>

/** The way out where no replica runs a classified statement. */
export interface ClassifiedFallback {
  /** The pool of the primary. */
  readonly primary: Pool
  /**
   * Runs the statement of a call that began at `startedAt` on the primary, because a replica has
   * refused it or no node could be found for it.
   */
  again<Row>(
    refusal: Refusal,
    statement: Statement,
    options: QueryOptions | undefined,
    startedAt: number,
    onPrimary: OnPrimary<Row>,
  ): Promise<QueryResult<Row>>
}

/**
 * A statement that its text shows to be a read. On the primary it runs like any undeclared
 * statement.
 */
export class ClassifiedRead<Row> implements UndeclaredRead<QueryResult<Row>> {
  readonly timeoutMs: number | undefined
  readonly signal: AbortSignal | undefined
  readonly started: boolean = false
  readonly repeatable: boolean
  readonly #statement: Statement
  readonly #options: QueryOptions | undefined
  readonly #startedAt: number
  readonly #onPrimary: OnPrimary<Row>
  readonly #fallback: ClassifiedFallback
  // Whether it runs as a read on the primary too, so that a session does not take it for a write.
  readonly #asRead: boolean
  #wentToPrimary = false
  // Made when it is needed: most calls go straight to their node.
  #declared: QueryRead<Row> | undefined

  /**
   * Takes the arguments of `query` and how the statement runs on the primary. `certain` says that
   * it is certain to only read, `asRead` that it runs as a read on the primary too.
   */
  constructor(
    statement: Statement,
    options: QueryOptions | undefined,
    startedAt: number,
    onPrimary: OnPrimary<Row>,
    fallback: ClassifiedFallback,
    certain: boolean,
    asRead: boolean,
  ) {
    this.#statement = statement
    this.#options = options
    this.#startedAt = startedAt
    this.#onPrimary = onPrimary
    this.#fallback = fallback
    this.repeatable = certain
    this.#asRead = asRead
    this.timeoutMs = options?.timeoutMs
    this.signal = options?.signal
  }

  get isUndeclared(): boolean {
    return !this.#asRead
  }

  runUndeclared(): Promise<QueryResult<Row>> {
    this.#wentToPrimary = true
    const onPrimary = this.#onPrimary
    return onPrimary(this.#statement, this.#options)
  }

  run(
    target: ReadTarget,
    remainingMs: () => number | undefined,
    ended: () => void,
    stop?: AbortSignal,
  ): Promise<QueryResult<Row>> {
    // Only the pool's own primary may carry out a write of this statement.
    if (this.#asRead || target.pool !== this.#fallback.primary)
      return this.#read.run(target, remainingMs, ended, stop)
    this.#wentToPrimary = true
    const onPrimary = this.#onPrimary
    const signal = eitherSignal(this.signal, stop)
    const options = { ...this.#options, signal, timeoutMs: remainingMs() }
    return onPrimary(this.#statement, options).finally(ended)
  }

  answered(result: QueryResult<Row>, stalenessMs: number): void {
    result.stalenessMs = stalenessMs
  }

  after(error: unknown): AfterFailure {
    const way = afterFailure(error)
    // It is not declared a read, so it runs on the primary as an undeclared statement: see
    // `failed`.
    if (way === 'primary') return 'final'
    if (way !== 'sent' || this.repeatable) return way
    // A statement that may write is never sent twice: the replica may just have become a primary. A
    // cancelled one has done nothing.
    return error instanceof DatabaseError && error.executed !== 'unknown' ? way : 'final'
  }

  failed(error: unknown): Promise<QueryResult<Row>> {
    if (this.#wentToPrimary) return Promise.reject(causeOf(error))
    const isUnplaced = !this.repeatable && error instanceof NoSuitableNodeError
    const refusal = isUnplaced ? 'behind' : refusalOf(error)
    if (refusal === undefined) return Promise.reject(error)
    return this.#fallback.again(
      refusal,
      this.#statement,
      this.#options,
      this.#startedAt,
      this.#onPrimary,
    )
  }

  get #read(): QueryRead<Row> {
    this.#declared ??= new QueryRead<Row>(this.#statement, this.#options)
    return this.#declared
  }
}
