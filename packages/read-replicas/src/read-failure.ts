import {
  AcquireTimeoutError,
  AuthenticationError,
  ConnectError,
  ConnectionLostError,
  DatabaseError,
  PoolClosedError,
  type PoolhouseError,
  ReadIntentError,
} from '@poolhouse/core'

// 57P01-57P03 shutdown and start-up, 57P05 idle session ended, class 08 connection exceptions.
const SESSION_ENDED = /^(?:57P0[1235]|08...)$/
// 53300 too many connections, 53400 configuration limit: the server is full, not ill.
const SERVER_FULL = /^53[34]00$/
// Nobody listens at that address. Everything else may be the network or a busy server.
const REFUSALS: ReadonlySet<unknown> = new Set(['ECONNREFUSED', 'ENOENT'])

/** Whether the error speaks against the node: no connection, or a lost one. Full queues, SQL errors and conflicts do not. */
export function isNodeFailure(error: unknown): boolean {
  if (error instanceof ConnectError) return !SERVER_FULL.test(error.sqlState ?? '')
  return (
    error instanceof ConnectionLostError ||
    error instanceof PoolClosedError ||
    (error instanceof DatabaseError && SESSION_ENDED.test(error.code))
  )
}

/** Whether the server cannot be there: its address refuses connections. */
export function isRefusal(error: unknown): boolean {
  if (!(error instanceof ConnectError) || error instanceof AuthenticationError) return false
  for (let cause: unknown = error.cause; cause instanceof Error; cause = cause.cause) {
    if (REFUSALS.has((cause as { code?: unknown }).code)) return true
  }
  return false
}

/** Whether a replica cancelled the read because replay or another session was in its way (40001, 40P01): normal, not a fault. */
function isConflict(error: unknown): boolean {
  return error instanceof DatabaseError && (error.code === '40001' || error.code === '40P01')
}

/** How a failed read may go on: `unsent` moves to another node, `sent` would be sent again, `final` is the caller's answer. */
export function afterFailure(error: unknown): 'unsent' | 'sent' | 'final' {
  if (isConflict(error)) return 'sent'
  if (isNodeFailure(error)) return (error as PoolhouseError).executed === 'no' ? 'unsent' : 'sent'
  const couldNotConnect =
    error instanceof AcquireTimeoutError && error.cause instanceof ConnectError
  return couldNotConnect ? 'unsent' : 'final'
}

/** The error for the caller of a read: a write that the server refused (25006) becomes a `ReadIntentError`. */
export function readErrorOf(error: unknown): unknown {
  if (!(error instanceof DatabaseError) || error.code !== '25006') return error
  return new ReadIntentError(
    `a read tried to write: ${error.message}; writes go to the pool itself, without intent "read" and not through reader()`,
    { executed: error.executed, cause: error },
  )
}
