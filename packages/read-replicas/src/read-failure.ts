import {
  AcquireTimeoutError,
  AuthenticationError,
  ConnectError,
  DatabaseError,
  endsSession,
  hasCondition,
  newsOf,
  PoolClosedError,
  type PoolhouseError,
  ReadIntentError,
  refusesWrites,
} from '@poolhouse/core'
import { lacksRelationFile, refusesAsStandby } from '@poolhouse/core/kit'

// Nobody listens at that address. Everything else may be the network or a busy server.
const REFUSALS: ReadonlySet<unknown> = new Set(['ECONNREFUSED', 'ENOENT'])

/** Whether the error speaks against the node: no connection, or a lost one. Full queues, SQL errors and conflicts do not. */
export function isNodeFailure(error: unknown): boolean {
  if (error instanceof PoolClosedError) return true
  // A full server is not ill.
  if (error instanceof ConnectError) return newsOf(error) !== 'full'
  return endsSession(error) && newsOf(error) !== 'none'
}

/** Whether the server cannot be there: its address refuses connections. */
export function isRefusal(error: unknown): boolean {
  if (!(error instanceof ConnectError) || error instanceof AuthenticationError) return false
  for (let cause: unknown = error.cause; cause instanceof Error; cause = cause.cause) {
    if (REFUSALS.has((cause as { code?: unknown }).code)) return true
  }
  return false
}

/** Whether a replica cancelled the read because replay or another session was in its way: normal, not a fault. */
function isConflict(error: unknown): boolean {
  return hasCondition(error, 'serialization_failure', 'deadlock_detected')
}

/**
 * How a failed read may go on: `unsent` moves to another node, `sent` would be sent again, `primary` ran nothing and can be answered by the
 * primary alone, `final` is the caller's answer.
 */
export type AfterFailure = 'unsent' | 'sent' | 'primary' | 'final'

/**
 * Whether a replica refused the read only because it is a standby, and ran nothing of it: unlogged tables, SERIALIZABLE, "recovery is in
 * progress". Only the server's own word counts. What it refused as a write is none of these: a read must not write anywhere.
 */
export function isStandbyRefusal(error: unknown): boolean {
  return refusesAsStandby(error) || lacksRelationFile(error)
}

/** How a failed read may go on. */
export function afterFailure(error: unknown): AfterFailure {
  if (isStandbyRefusal(error)) return 'primary'
  if (isConflict(error)) return 'sent'
  if (isNodeFailure(error) || endsSession(error)) {
    return (error as PoolhouseError).executed === 'no' ? 'unsent' : 'sent'
  }
  return couldNotConnect(error) ? 'unsent' : 'final'
}

/** Whether no connection to the node could be had in time. */
export function couldNotConnect(error: unknown): boolean {
  return error instanceof AcquireTimeoutError && error.cause instanceof ConnectError
}

/** The error for the caller of a read: a write that the server refused becomes a `ReadIntentError`. */
export function readErrorOf(error: unknown): unknown {
  if (!(error instanceof DatabaseError && refusesWrites(error))) return error
  return new ReadIntentError(
    `a read tried to write: ${error.message}; writes go to the pool itself, without intent "read" and not through reader()`,
    { executed: error.executed, cause: error },
  )
}
