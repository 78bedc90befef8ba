import { AbortError, DatabaseError, isPoolhouseError, type PoolhouseError } from '@poolhouse/core'
import { brandLike } from '@poolhouse/core/kit'
import type { PostgresErrorClass } from '../postgres-module.js'
import type { PostgresQuery } from './postgres-query.js'
import { originOf } from './query-origin.js'

/** What postgres.js calls what became of a connection. */
const CODES: Readonly<Record<string, string>> = {
  AcquireTimeoutError: 'CONNECT_TIMEOUT',
  ConnectionLostError: 'CONNECTION_CLOSED',
  LeaseReleasedError: 'CONNECTION_CLOSED',
  PoolClosedError: 'CONNECTION_ENDED',
}

/**
 * The error as an application of postgres.js expects it: an instance of its `PostgresError` for
 * what the server said, and the codes of postgres.js for lost and closed connections. Each is
 * branded as the error of ours that it stands for: `isPoolhouseError` is true, and it has
 * `executed`, `retryable` and `node`. Whatever postgres.js has nothing like comes back as it is.
 */
export function toSqlError(
  PostgresError: PostgresErrorClass,
  error: unknown,
  query?: PostgresQuery,
  debug?: unknown,
): unknown {
  const made = translated(PostgresError, error)
  if (query === undefined || !(made instanceof Error) || 'query' in made) return made
  const enumerable = Boolean(debug)
  const stack = `${made.stack}${originOf(query)}`
  return Object.defineProperties(made, {
    stack: { value: stack, enumerable, writable: true, configurable: true },
    query: { value: query.string, enumerable },
    parameters: { value: query.parameters, enumerable },
    args: { value: query.args, enumerable },
  })
}

function translated(PostgresError: PostgresErrorClass, error: unknown): unknown {
  // What was translated before keeps its class.
  if (!isPoolhouseError(error) || isOf(PostgresError, error)) return error
  const ours: PoolhouseError = error
  const { cause, name, message } = ours
  if (ours instanceof DatabaseError) {
    // A new one: that of the driver may be of another copy of postgres.js, and knows no query.
    const fields = cause instanceof Error && cause.name === 'PostgresError' ? cause : fieldsOf(ours)
    return brandLike(new PostgresError({ ...(fields as Record<string, string>), message }), ours)
  }
  if (ours instanceof AbortError) {
    const fields = { severity: 'ERROR', code: '57014' }
    const said = 'canceling statement due to user request'
    return brandLike(new PostgresError({ message: said, ...fields }), ours)
  }
  const code = CODES[name]
  if (code === undefined) return error
  const made = new Error(`${code}: ${message}`, { cause: error })
  return brandLike(Object.assign(made, { code, errno: code }), ours)
}

function isOf(PostgresError: PostgresErrorClass, error: unknown): error is Error {
  return error instanceof PostgresError
}

function fieldsOf(error: DatabaseError): Record<string, string> {
  const { message, severity, code, detail, hint, where, position } = error
  const fields = {
    severity,
    code,
    message,
    detail,
    hint,
    where,
    position: position === undefined ? undefined : String(position),
    schema_name: error.schema,
    table_name: error.table,
    column_name: error.column,
    constraint_name: error.constraint,
  }
  const said = Object.entries(fields).filter(([, value]) => value !== undefined)
  return Object.fromEntries(said) as Record<string, string>
}
