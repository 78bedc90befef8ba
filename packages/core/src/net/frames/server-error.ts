import { DatabaseError, wordsOf } from '../../outcome/database-error.js'
import { ConnectionLostError } from '../../outcome/errors.js'
import type { Executed } from '../../outcome/outcome.js'
import { isResetFailure } from '../../outcome/reset-failure.js'
import { provenByLastWords } from '../../outcome/sqlstate.js'

/** What the server said in an ErrorResponse, under the names that the classes of libraries use. */
export interface ServerError extends Error {
  /**
   * `ERROR`, `FATAL` or `PANIC`; in the server's language in an error that `pg` made, and if the
   * server sent no other.
   */
  readonly severity?: string
  /** SQLSTATE; undefined if the server sent none. */
  readonly code?: string
  /** What more there is to say. */
  readonly detail?: string
  /** What might help. */
  readonly hint?: string
  /** Character of the statement, from 1, as digits. */
  readonly position?: string
  /** The context: functions and statements, innermost first. */
  readonly where?: string
  /** Schema of the object it is about. */
  readonly schema?: string
  /** Table it is about. */
  readonly table?: string
  /** Column it is about. */
  readonly column?: string
  /** Data type it is about. */
  readonly dataType?: string
  /** Constraint that was violated. */
  readonly constraint?: string
  /** Function of the server that reported it. */
  readonly routine?: string
}

// What an ErrorResponse without a SQLSTATE is taken for: `internal_error`, which means nothing in
// particular.
const NO_CODE = 'XX000'
const SEVERITIES: ReadonlySet<string | undefined> = new Set(['ERROR', 'FATAL', 'PANIC'])

/**
 * True for what the server said, whatever it left out; false for what a library or the socket made
 * up.
 */
export function isServerError(error: unknown): error is ServerError {
  // Errors of Node have a code, never a severity. `pg` sets all fields of an ErrorResponse, those
  // that did not come to undefined, and none of what it says against messages that it does not
  // know.
  return error instanceof Error && 'severity' in error && 'code' in error
}

/** The SQLSTATE that the server sent, `XX000` if it sent none or one that is none. */
export function sqlStateOf({ code }: ServerError): string {
  return code !== undefined && /^[0-9A-Z]{5}$/.test(code) ? code : NO_CODE
}

/**
 * Brings an error of the server into core's shape. The severity may be missing, or in the server's
 * language: poolers send only that, and `pg` reads only that of what its own client is told. What
 * follows in the protocol tells the same: after an ERROR comes ReadyForQuery, after a FATAL the
 * end. `cause` is the library's own error, if it is another object.
 */
export function toDatabaseError(
  error: ServerError,
  sessionSurvived: boolean,
  cause: unknown = error,
): DatabaseError {
  const position = Number(error.position)
  return new DatabaseError(
    error.message || 'the server reported an error and gave no message',
    {
      ...error,
      code: sqlStateOf(error),
      severity: SEVERITIES.has(error.severity)
        ? error.severity!
        : sessionSurvived
          ? 'ERROR'
          : 'FATAL',
      position: position > 0 ? position : undefined,
    },
    cause,
  )
}

// What PgBouncer says to a client that begins a transaction, and closes the connection.
const NO_TRANSACTIONS = /^transaction blocks not allowed in statement pooling mode/
const NO_TRANSACTIONS_WAY_OUT = '; set pool_mode = transaction in PgBouncer for this database'

/** The error of a statement whose session is gone. `reason` is what ended the session. */
export function toLostError(reason: unknown, executed: Executed): ConnectionLostError {
  const why =
    reason instanceof Error ? reason.message : typeof reason === 'string' ? reason : undefined
  const what =
    executed === 'no'
      ? 'the connection was lost before the statement was sent'
      : 'the connection was lost before the server answered'
  const ours = reason instanceof DatabaseError || reason instanceof ConnectionLostError
  const wayOut = why !== undefined && NO_TRANSACTIONS.test(why) ? NO_TRANSACTIONS_WAY_OUT : ''
  return new ConnectionLostError(why === undefined ? what : `${what}: ${why}${wayOut}`, {
    executed,
    sqlState: stateOf(reason),
    // Our own error around the library's would only repeat it.
    cause: ours ? (reason.cause ?? reason) : reason,
  })
}

/**
 * The error of work whose session ended first. `said` is what the server had said against it by
 * then; `reason` is what ended the session.
 */
export function toUnansweredError(
  said: DatabaseError | undefined,
  reason: unknown,
  sent: boolean,
): DatabaseError | ConnectionLostError {
  if (isResetFailure(reason)) return reason as ConnectionLostError
  const last = said ?? reason
  const proven = last instanceof DatabaseError ? provenByLastWords(wordsOf(last)) : undefined
  // The server had already refused it: the work was undone, whatever became of the session.
  if (said !== undefined && proven === 'rolled-back') return said
  return toLostError(last, sent && proven !== 'no' ? 'unknown' : 'no')
}

/** The reason of a session that ended without a word of the server. */
export function toClosedError(cause: unknown): ConnectionLostError {
  const why = cause instanceof Error ? `: ${cause.message}` : ''
  return new ConnectionLostError(`the server closed the connection unexpectedly${why}`, {
    executed: 'no',
    cause,
  })
}

function stateOf(reason: unknown): string | undefined {
  if (reason instanceof DatabaseError) return reason.code
  return reason instanceof ConnectionLostError ? reason.sqlState : undefined
}
