import type { QueryResult, Statement } from '../api/statement.js'
import { readQueryArguments } from '../api/statement.js'
import type { Transaction } from '../api/transaction.js'
import { describeValue } from '../base/option-check.js'
import { setStatementIndex } from '../outcome/database-error.js'
import { ConnectionLostError, TransactionError } from '../outcome/errors.js'
import { PoolhouseError } from '../outcome/poolhouse-error.js'
import { traitsOf } from '../sql/statement-traits.js'
import { CONTROLS_TRANSACTION, COPIES, READ_IN_TWO_WAYS } from '../sql/trait-flags.js'
import { copyMisfit } from './copy-text.js'

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

/**
 * The traits of a text that is sent while others before it are not answered: one of them may change
 * how the session reads backslashes, so both readings count.
 */
export function traitsInBatch(text: string): number {
  const traits = traitsOf(text)
  return (traits & READ_IN_TWO_WAYS) === 0 ? traits : traits | traitsOf(text, true)
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

/** Key of the method by which a transaction sends all statements of its work in one piece. */
export const TOGETHER: unique symbol = Symbol('poolhouse.together')

/** A transaction that may have it. */
export interface WithTogether {
  /** Runs the statements and commits. */
  [TOGETHER]?(statements: readonly Statement[]): Promise<QueryResult[]>
}

type Work<R> = (tx: Transaction) => Promise<R>

/**
 * What was given to `transaction`, as a callback. An array of statements becomes the callback that
 * runs these statements and does nothing else, so every pool can run it; the pool that sends it to
 * a server knows it by `statementsOf` and sends all of it, with BEGIN and COMMIT, in one piece.
 *
 * Throws `TypeError`, `RangeError` or `TransactionError` for what is no work and for statements
 * that cannot be part of it, with their index.
 */
export function readWork<R>(given: Work<R> | readonly (Statement | string)[]): Work<R> {
  if (typeof given === 'function') return given
  if (!Array.isArray(given)) {
    throw new TypeError(
      `transaction: work must be a function or an array of statements, got ${describeValue(given)}`,
    )
  }
  const statements = takeStatements('transaction', given)
  statements.forEach(refuseMisfit)
  const work: Work<unknown> = (tx) =>
    (tx as WithTogether)[TOGETHER]?.(statements) ?? oneByOne(tx, statements)
  return mark(work, statements) as Work<R>
}

function refuseMisfit({ text }: Statement, index: number): void {
  const place = placeOf('transaction', index)
  const traits = traitsInBatch(text)
  if ((traits & COPIES) !== 0) throw copyMisfit(place, text)
  if ((traits & CONTROLS_TRANSACTION) === 0) return
  const error = new TransactionError(
    `${place} cannot begin or end a transaction; the array is one, from BEGIN to COMMIT`,
  )
  setStatementIndex(error, index)
  throw error
}

/** Runs statements one after the other. The error of one has its index. */
export async function oneByOne(
  tx: Transaction,
  statements: readonly Statement[],
): Promise<QueryResult[]> {
  const results: QueryResult[] = []
  for (const [index, statement] of statements.entries()) {
    try {
      results.push(await tx.query(statement))
    } catch (error) {
      if (error instanceof PoolhouseError && !(error instanceof ConnectionLostError)) {
        setStatementIndex(error, index)
      }
      throw error
    }
  }
  return results
}

/**
 * Makes `wrapper` stand for the `work` that it wraps, where that is an array of statements: for
 * wrappers that do nothing with the transaction but look at its node, and call `work` once, as the
 * last thing that they do with it. In a wrapper that is not given to this, the statements are run
 * one by one. Returns `wrapper`.
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
