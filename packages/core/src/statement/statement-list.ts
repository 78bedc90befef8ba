import type { QueryResult, Statement } from '../api/statement.js'
import { readQueryArguments } from '../api/statement.js'
import type { Transaction } from '../api/transaction.js'
import { describeValue } from '../base/option-check.js'
import { setStatementIndex } from '../outcome/database-error.js'
import { PoolhouseError } from '../outcome/poolhouse-error.js'

/**
 * Takes the statements of one call as they are now: their values are encoded once, at the call.
 * Throws `TypeError` or `RangeError` that names the index of the first wrong one; `call` is the
 * name in its message.
 */
export function takeStatements(call: string, given: unknown): readonly Statement[] {
  if (!Array.isArray(given)) {
    throw new TypeError(`${call}: statements must be an array, got ${describeValue(given)}`)
  }
  // Not `map`, which leaves holes.
  return Array.from(given, (statement, index) => takeOne(placeOf(call, index), statement))
}

/** Names one statement of several in a message. */
export function placeOf(call: string, index: number): string {
  return `${call}: statements[${index}]`
}

function takeOne(place: string, statement: Statement | string | null | undefined): Statement {
  const given = typeof statement === 'string' ? { text: statement } : statement
  if (typeof given !== 'object' || typeof given?.text !== 'string') {
    throw new TypeError(
      `${place} must be SQL text or an object with a \`text\` property of type string, got ${describeValue(statement)}`,
    )
  }
  if (given.values !== undefined && !Array.isArray(given.values)) {
    throw new TypeError(`${place}: values must be an array, got ${describeValue(given.values)}`)
  }
  try {
    return readQueryArguments(given).statement
  } catch (error) {
    throw inPlace(error, place)
  }
}

/** The error of one statement of several, whose message does not say which. */
function inPlace(error: unknown, place: string): unknown {
  if (!(error instanceof TypeError || error instanceof RangeError)) return error
  const Kind = error instanceof RangeError ? RangeError : TypeError
  return new Kind(`${place}: ${error.message}`, { cause: error })
}

// On the global registry, so that it is the same for every copy of this package.
const STATEMENTS: unique symbol = Symbol.for('poolhouse.statements') as never

type Work<R> = (tx: Transaction) => Promise<R>

/**
 * The work of a transaction that runs these statements, which were taken before, and nothing else.
 * It is a callback like any other, so every pool can run it; the pool that sends it to a server
 * knows it by `statementsOf` and sends all of it, with BEGIN and COMMIT, in one piece.
 */
export function workOf(statements: readonly Statement[]): Work<QueryResult[]> {
  const work: Work<QueryResult[]> = async (tx) => {
    const results: QueryResult[] = []
    for (const [index, statement] of statements.entries()) {
      try {
        results.push(await tx.query(statement))
      } catch (error) {
        if (error instanceof PoolhouseError) setStatementIndex(error, index)
        throw error
      }
    }
    return results
  }
  return mark(work, statements)
}

/**
 * Makes `wrapper` stand for the `work` that it wraps, where that is the work of `workOf`: for
 * wrappers that do nothing with the transaction but look at its node and call `work` once, as the
 * last thing that they do with it. Where it is not, or in a wrapper that is not given to this, the
 * work runs as a callback. Returns `wrapper`.
 */
export function standsFor<R>(work: Work<R>, wrapper: Work<R>): Work<R> {
  const statements = statementsOf(work)
  return statements === undefined ? wrapper : mark(wrapper, statements)
}

/** The statements that work consists of; undefined if it is the callback of a caller. */
export function statementsOf(work: unknown): readonly Statement[] | undefined {
  return (work as { readonly [STATEMENTS]?: readonly Statement[] } | undefined)?.[STATEMENTS]
}

function mark<R>(work: Work<R>, statements: readonly Statement[]): Work<R> {
  return Object.defineProperty(work, STATEMENTS, { value: statements })
}

/**
 * What was given to `transaction` as work. Throws `TypeError` or `RangeError` if it is neither a
 * function nor an array of statements.
 */
export function readWork<R>(given: Work<R> | readonly (Statement | string)[]): Work<R> {
  if (typeof given === 'function') return given
  if (!Array.isArray(given)) {
    throw new TypeError(
      `transaction: work must be a function or an array of statements, got ${describeValue(given)}`,
    )
  }
  return workOf(takeStatements('transaction', given)) as Work<unknown> as Work<R>
}
