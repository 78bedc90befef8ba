import type { Durability, Executed } from './outcome.js'
import { brand, PoolhouseError } from './poolhouse-error.js'
import { meaningOf, type ServerWords } from './sqlstate.js'

const ROUTINE = Symbol.for('poolhouse.routine')

/** What PostgreSQL reports with an error; the names are those of its protocol fields. */
export interface DatabaseErrorFields {
  /** SQLSTATE, five characters. */
  code: string
  /** `ERROR`, `FATAL`, `PANIC`, in English whatever the server's language. */
  severity: string
  /** More about the error. */
  detail?: string | undefined
  /** What to do about it. */
  hint?: string | undefined
  /** Position of the error in the statement, counted in characters from 1. */
  position?: number | undefined
  /** Call stack of the error inside the server. */
  where?: string | undefined
  /** Schema the error is about. */
  schema?: string | undefined
  /** Table the error is about. */
  table?: string | undefined
  /** Column the error is about. */
  column?: string | undefined
  /** Data type the error is about. */
  dataType?: string | undefined
  /** Constraint that was violated. */
  constraint?: string | undefined
  /**
   * Function of the server that reported it, which tells its own words from what a function raised.
   */
  routine?: string | undefined
}

/** An error sent by PostgreSQL. `code` is the SQLSTATE; the driver's own error is the `cause`. */
export class DatabaseError extends PoolhouseError {
  /** `ERROR`, `FATAL` or `PANIC`. */
  readonly severity: string
  /** More about the error. */
  readonly detail: string | undefined
  /** What to do about it. */
  readonly hint: string | undefined
  /** Position in the statement, in characters from 1. */
  readonly position: number | undefined
  /** Call stack inside the server. */
  readonly where: string | undefined
  /** Schema the error is about. */
  readonly schema: string | undefined
  /** Table the error is about. */
  readonly table: string | undefined
  /** Column the error is about. */
  readonly column: string | undefined
  /** Data type the error is about. */
  readonly dataType: string | undefined
  /** Constraint that was violated. */
  readonly constraint: string | undefined

  /**
   * `executed` and `retryable` follow from severity, SQLSTATE and `routine`, by the table in
   * `docs/errors.md`.
   */
  constructor(message: string, fields: DatabaseErrorFields, cause?: unknown) {
    const { executed, repeat } = meaningOf({ ...fields, message })
    super(message, { code: fields.code, executed, retryable: repeat !== 'never', cause })
    Object.defineProperty(this, ROUTINE, { value: fields.routine })
    this.severity = fields.severity
    this.detail = fields.detail
    this.hint = fields.hint
    this.position = fields.position
    this.where = fields.where
    this.schema = fields.schema
    this.table = fields.table
    this.column = fields.column
    this.dataType = fields.dataType
    this.constraint = fields.constraint
  }
}
brand(DatabaseError, 'DatabaseError', 'POOLHOUSE_DATABASE')

/** What the server said, of an error that any copy of this package made. */
export function wordsOf(error: DatabaseError): ServerWords {
  const { code, severity, message, where } = error
  return { code, severity, message, where, routine: (error as { [ROUTINE]?: string })[ROUTINE] }
}

/**
 * Settles what an error could not know by itself, and with it whether the call is `retryable`: what
 * may have been done is not. The same object, because the caller may hold it already.
 */
export function setExecuted(
  error: PoolhouseError,
  executed: Executed,
  durability?: Durability,
): void {
  if (error instanceof DatabaseError && isOpen(executed) !== isOpen(error.executed)) {
    const value = !isOpen(executed) && meaningOf(wordsOf(error)).repeat !== 'never'
    Object.defineProperty(error, 'retryable', { value, enumerable: true })
  }
  Object.defineProperty(error, 'executed', { value: executed, enumerable: true })
  if (durability !== undefined) {
    Object.defineProperty(error, 'durability', { value: durability, enumerable: true })
  }
}

function isOpen(executed: Executed): boolean {
  return executed === 'unknown' || executed === 'yes'
}

/**
 * Says which node a call failed on. Not enumerable, so that it is no part of what a caller prints.
 * The same object, because the caller may hold it already.
 */
export function setNode(error: PoolhouseError, node: string): void {
  if (!Object.isExtensible(error)) return
  Object.defineProperty(error, 'node', { value: node, configurable: true })
}

/**
 * Says which statement a call failed on, by its text as it may be shown. The first one counts, if
 * it is not merely that of its cause: an error that has come from another call stays that call's.
 * The same object, because the caller may hold it already.
 */
export function setStatement(error: PoolhouseError, statement: string): void {
  // That of a cause is configurable.
  const isKnown = Object.getOwnPropertyDescriptor(error, 'statement')?.configurable === false
  if (isKnown || !Object.isExtensible(error)) return
  // Not enumerable: what is logged or sent to a client by habit must not show it.
  Object.defineProperty(error, 'statement', { value: statement, configurable: false })
}

/**
 * Says which statement of several an error is about. The same object, because the caller may hold
 * it already.
 */
export function setStatementIndex(error: Error, index: number): void {
  const value = { value: index, enumerable: true, configurable: true }
  Object.defineProperty(error, 'statementIndex', value)
}

/** Takes back what `setStatementIndex` has said: the error is about none of them. */
export function clearStatementIndex(error: Error): void {
  delete (error as { statementIndex?: number }).statementIndex
}

/**
 * Says that another attempt may succeed, where an error could not know that by itself. The same
 * object, because the caller may hold it already.
 */
export function setRetryable(error: PoolhouseError): void {
  Object.defineProperty(error, 'retryable', { value: true, enumerable: true })
}
