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
  /** Runs it on the primary because a replica has refused it, or no node could be found for it. */
  again(refusal: Refusal): Promise<QueryResult<Row>>
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
  readonly #setting: ClassifiedSetting<Row>
  #wentToPrimary = false
  // Made when it is needed: most calls go straight to their node.
  #declared: QueryRead<Row> | undefined

  /** Takes the arguments of `query`. */
  constructor(
    statement: Statement,
    options: QueryOptions | undefined,
    setting: ClassifiedSetting<Row>,
  ) {
    this.#statement = statement
    this.#options = options
    this.#setting = setting
    this.timeoutMs = options?.timeoutMs
    this.signal = options?.signal
    this.repeatable = setting.certain
  }

  get isUndeclared(): boolean {
    return !this.#setting.asRead
  }

  runUndeclared(): Promise<QueryResult<Row>> {
    this.#wentToPrimary = true
    return this.#setting.onPrimary(this.#statement, this.#options)
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
    this.#wentToPrimary = true
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
    if (way !== 'sent' || this.#setting.certain) return way
    // A statement that may write is never sent twice: the replica may just have become a primary. A
    // cancelled one has done nothing.
    return error instanceof DatabaseError && error.executed !== 'unknown' ? way : 'final'
  }

  failed(error: unknown): Promise<QueryResult<Row>> {
    const { certain, again } = this.#setting
    if (this.#wentToPrimary) return Promise.reject(causeOf(error))
    const isUnplaced = !certain && error instanceof NoSuitableNodeError
    const refusal = isUnplaced ? 'behind' : refusalOf(error)
    return refusal === undefined ? Promise.reject(error) : again(refusal)
  }

  get #read(): QueryRead<Row> {
    this.#declared ??= new QueryRead<Row>(this.#statement, this.#options)
    return this.#declared
  }
}
