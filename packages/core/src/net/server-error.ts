import { ConnectionLostError, DatabaseError, type Executed, isPoolerRefusal } from '../errors.js'
import { isResetFailure } from '../reset-failure.js'

/** What the server said in an ErrorResponse, as the error class of a driver carries it. */
export interface ServerError extends Error {
  /** `ERROR`, `FATAL` or `PANIC`; in the server's language if the driver reads the localised field. */
  readonly severity?: string
  /** SQLSTATE. */
  readonly code: string
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

const SEVERITIES: ReadonlySet<string | undefined> = new Set(['ERROR', 'FATAL', 'PANIC'])

/** True for what the server said, false for what a driver or the socket made up. */
export function isServerError(error: unknown): error is ServerError {
  const { code, severity } = (error ?? {}) as Partial<ServerError>
  return (
    error instanceof Error &&
    typeof severity === 'string' &&
    typeof code === 'string' &&
    code.length === 5
  )
}

/**
 * Brings an error of the server into core's shape. `pg` passes the severity on in the server's language only. What follows in
 * the protocol tells the same: after an ERROR comes ReadyForQuery, after a FATAL the end. `cause` is the driver's own error, if
 * it is another object.
 */
export function toDatabaseError(
  error: ServerError,
  sessionSurvived: boolean,
  cause: unknown = error,
): DatabaseError {
  const position = Number(error.position)
  return new DatabaseError(
    error.message,
    {
      code: error.code,
      severity: SEVERITIES.has(error.severity)
        ? error.severity!
        : sessionSurvived
          ? 'ERROR'
          : 'FATAL',
      detail: error.detail,
      hint: error.hint,
      position: position > 0 ? position : undefined,
      where: error.where,
      schema: error.schema,
      table: error.table,
      column: error.column,
      dataType: error.dataType,
      constraint: error.constraint,
    },
    cause,
  )
}

/** The error of a statement whose session is gone. `reason` is what ended the session. */
export function toLostError(reason: unknown, executed: Executed): ConnectionLostError {
  const why =
    reason instanceof Error ? reason.message : typeof reason === 'string' ? reason : undefined
  const what =
    executed === 'no'
      ? 'the connection was lost before the statement was sent'
      : 'the connection was lost before the server answered'
  const ours = reason instanceof DatabaseError || reason instanceof ConnectionLostError
  return new ConnectionLostError(why === undefined ? what : `${what}: ${why}`, {
    executed,
    sqlState: sqlStateOf(reason),
    // Our own error around the driver's would only repeat it.
    cause: ours ? (reason.cause ?? reason) : reason,
  })
}

/**
 * The error of work whose session ended first. `said` is what the server had said against it by then; `reason` is what ended the
 * session.
 */
export function toUnansweredError(
  said: DatabaseError | undefined,
  reason: unknown,
  sent: boolean,
): DatabaseError | ConnectionLostError {
  if (isResetFailure(reason)) return reason as ConnectionLostError
  // The server had already refused it: the work was undone, whatever became of the session.
  if (said?.severity === 'ERROR') return said
  const passedOn = sent && !(said !== undefined && isPoolerRefusal(said.message, said))
  return toLostError(said ?? reason, passedOn ? 'unknown' : 'no')
}

/** The reason of a session that ended without a word of the server. */
export function toClosedError(cause: unknown): ConnectionLostError {
  const why = cause instanceof Error ? `: ${cause.message}` : ''
  return new ConnectionLostError(`the server closed the connection unexpectedly${why}`, {
    executed: 'no',
    cause,
  })
}

function sqlStateOf(reason: unknown): string | undefined {
  if (reason instanceof DatabaseError) return reason.code
  return reason instanceof ConnectionLostError ? reason.sqlState : undefined
}
