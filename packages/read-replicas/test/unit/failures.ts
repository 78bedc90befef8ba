import { ConnectError, ConnectionLostError, DatabaseError } from '@poolhouse/core'

/** A connection that the address refuses. */
export function refused(): ConnectError {
  const cause = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' })
  return new ConnectError('connection refused', { endpoint: 'b:5432/app', cause })
}

/** The connection broke while the statement ran. */
export function lost(): ConnectionLostError {
  return new ConnectionLostError('terminated unexpectedly', { executed: 'unknown' })
}

/** The connection broke before the statement was sent. */
export function unsent(): ConnectionLostError {
  return new ConnectionLostError('destroyed', { executed: 'no' })
}

/** An error of the server. */
export function sqlError(code: string, message = 'failed', severity = 'ERROR'): DatabaseError {
  return new DatabaseError(message, { code, severity })
}
