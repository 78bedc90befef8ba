import { DatabaseError, isPoolhouseError, type PoolhouseError } from '@poolhouse/core'
import { brandLike, ownError } from '@poolhouse/core/kit'
import type { PgLibrary } from '../pg-library.js'

/** What `pg` says where it has no class of its own. */
const SAYS: Readonly<Record<string, string>> = {
  AcquireTimeoutError: 'timeout exceeded when trying to connect',
  ConnectionLostError: 'Connection terminated unexpectedly',
  PoolClosedError: 'Cannot use a pool after calling end on the pool',
  StatementTimeoutError: 'Query read timeout',
}

// Errors that say the same as their cause, which is the driver's own.
const REPEATS: ReadonlySet<string> = new Set([
  'DatabaseError',
  'ConnectError',
  'AuthenticationError',
  'ConnectionLostError',
])

/**
 * The error as an application of `pg` expects it: an instance of its `pg.DatabaseError` for what
 * the server said, the error of Node for what the network did, `pg`'s own words where it has some.
 * Each is branded as the error of ours that it stands for: `isPoolhouseError` is true, and it has
 * `executed`, `retryable` and `node`. Whatever `pg` has nothing like comes back as it is.
 */
export function toPgError({ DatabaseError: PgDatabaseError }: PgLibrary, error: unknown): unknown {
  if (!isPoolhouseError(error)) return error
  const { cause, name } = error
  if (cause instanceof PgDatabaseError || isSystemError(cause)) {
    // Its own: the error of one failed connect may reach several callers.
    if (REPEATS.has(name)) return dress(ownError(cause), error)
  } else if (error instanceof DatabaseError) {
    return dress(fieldsOf(new PgDatabaseError(error.message, 0, 'error'), error), error)
  }
  const says = SAYS[name]
  return says === undefined ? error : dress(new Error(says, { cause: error }), error)
}

/**
 * Brands an error, and gives it the frames of the caller, which the call's own promise knows. What
 * it had are those of the socket.
 */
function dress<E extends Error>(error: E, ours: PoolhouseError): E {
  Error.captureStackTrace(error, toPgError)
  return brandLike(error, ours)
}

function fieldsOf<E extends Error>(error: E, ours: DatabaseError): E {
  const { code, severity, detail, hint, where, schema, table, column, dataType, constraint } = ours
  const position = ours.position === undefined ? undefined : String(ours.position)
  const fields = { code, severity, detail, hint, position, where, schema, table, column }
  return Object.assign(error, fields, { dataType, constraint })
}

/** Whether it is an error of Node about a socket or a look-up, such as ECONNREFUSED. */
function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && 'syscall' in error && 'code' in error
}
