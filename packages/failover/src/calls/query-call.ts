import {
  type ConnectionPool,
  InDoubtError,
  type QueryOptions,
  type QueryResult,
  type Statement,
  type TransactionOptions,
} from '@poolhouse/core'
import {
  BEGIN_FIRST,
  type CallParty,
  formatEndpoint,
  hasCondition,
  messageOf,
  refusesWrites,
} from '@poolhouse/core/kit'
import { fateOf } from '../base/fate.js'
import { BasicCall, type Call, type Decision } from './call.js'

/** One statement. It is sent again after a lost answer only if it is a declared read. */
export class QueryCall<Row> extends BasicCall<QueryOptions> implements Call<QueryResult<Row>> {
  readonly #statement: Statement
  // The error of a declared read that got no answer and is being sent again.
  #lost: InDoubtError | undefined

  /** Takes checked arguments. `party` as for `BasicCall`. */
  constructor(
    statement: Statement,
    options: QueryOptions | undefined,
    startedAt: number,
    party?: CallParty | undefined,
  ) {
    super(options, startedAt, party)
    this.#statement = statement
  }

  override get isReadOnly(): boolean {
    return this.#lost !== undefined
  }

  send(pool: ConnectionPool, timeoutMs: number | undefined): Promise<QueryResult<Row>> {
    if (this.#lost === undefined) {
      return pool.query<Row>(this.#statement, { ...this.options, timeoutMs })
    }
    // A read may call a function that writes. In a read-only transaction nothing is written twice.
    return pool.transaction((tx) => tx.query<Row>(this.#statement), {
      readOnly: true,
      timeoutMs,
      signal: this.signal,
      // A connection that is found dead at BEGIN has not had the read.
      [BEGIN_FIRST]: true,
    } as TransactionOptions)
  }

  override decide(error: unknown, pool: ConnectionPool): Decision {
    if (this.#lost !== undefined && provesWrite(error)) {
      return { kind: 'surface', error: this.#lost }
    }
    if (fateOf(error) !== 'in-doubt') return super.decide(error, pool)
    const where = `"${pool.name}" (${formatEndpoint(pool.endpoint)})`
    const lost = new InDoubtError(
      `the statement was sent to ${where} and got no answer, so it may or may not have been executed: ${messageOf(error)}`,
      error,
    )
    if (this.options?.intent !== 'read' || this.#lost !== undefined) {
      return { kind: 'surface', error: lost }
    }
    this.#lost = lost
    return { kind: 'retry', isRerun: true, costs: true, error: lost }
  }
}

/** Whether a read-only transaction refused the statement because it writes or ends transactions. */
function provesWrite(error: unknown): boolean {
  return refusesWrites(error) || hasCondition(error, 'invalid_transaction_termination')
}
