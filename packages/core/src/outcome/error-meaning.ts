import { hasCondition } from './conditions.js'
import { DatabaseError, wordsOf } from './database-error.js'
import { AuthenticationError, ConnectError, ConnectionLostError } from './errors.js'
import { PoolhouseError } from './poolhouse-error.js'
import { isRaised, type Meaning, meaningOf, type NodeNews, type ServerWords } from './sqlstate.js'

/**
 * Whether a session that answered with this error is over. An ERROR leaves it as good as before,
 * whatever its code.
 */
export function endsSession(error: unknown): boolean {
  if (error instanceof ConnectionLostError) return true
  return error instanceof DatabaseError && error.severity !== 'ERROR'
}

/**
 * What the error says about the server as a whole. Errors that are not the server's say nothing.
 */
export function newsOf(error: unknown): NodeNews {
  if (error instanceof DatabaseError) return meaningOf(wordsOf(error)).node
  if (error instanceof ConnectionLostError) {
    return error.sqlState === undefined ? 'suspect' : byCode(error.sqlState).node
  }
  if (!(error instanceof ConnectError) || error instanceof AuthenticationError) return 'none'
  if (error.fatal) return 'none'
  return error.sqlState === undefined ? 'suspect' : logInNews(error, error.sqlState)
}

/**
 * Whether the server, or a pooler in front of it, answered with an error of its own: then it is
 * there, whatever it refused.
 */
export function isAnswer(error: unknown): boolean {
  if (error instanceof ConnectError || error instanceof ConnectionLostError) {
    return error.sqlState !== undefined
  }
  return error instanceof DatabaseError
}

/**
 * Whether the server itself refused the work as a write, before any effect. False when a function
 * raised the code.
 */
export function refusesWrites(error: unknown): boolean {
  return newsOf(error) === 'read-only'
}

/**
 * Whether the server refused the work only because it is a standby, before any effect, so that a
 * primary can do it even in a read-only transaction: unlogged tables, SERIALIZABLE, "recovery is in
 * progress". False for writes (`refusesWrites`), and when a function raised the code.
 */
export function refusesAsStandby(error: unknown): boolean {
  return newsOf(error) === 'in-recovery'
}

/**
 * Whether a standby refused the work only because it was to be SERIALIZABLE; as REPEATABLE READ it
 * may be done there.
 */
export function refusesSerializable(error: unknown): boolean {
  return (
    refusesAsStandby(error) &&
    wordsOf(error as DatabaseError).routine === 'GetSerializableTransactionSnapshot'
  )
}

/**
 * Whether the server has no file for a relation (`mdopenfork`): on a standby that is what COPY of
 * an unlogged table meets, which asks no planner; on a primary it is damage. For reads on standbys.
 */
export function lacksRelationFile(error: unknown): boolean {
  return (
    hasCondition(error, 'undefined_file') &&
    wordsOf(error as DatabaseError).routine === 'mdopenfork'
  )
}

/**
 * Whether a function raised the error, or passed it on from a foreign server: its code then says
 * nothing about this server.
 */
export function isRaisedByFunction(error: unknown): boolean {
  return error instanceof DatabaseError && isRaised(wordsOf(error))
}

/**
 * Whether the server undid the work because other work was at the same data: serialization failure,
 * deadlock, lock not available.
 */
export function isConflict(error: unknown): boolean {
  return error instanceof DatabaseError && meaningOf(wordsOf(error)).repeat === 'conflict'
}

/** Whether it is known that the work has left nothing behind. */
export function isUndone(error: PoolhouseError): boolean {
  return error.executed === 'no' || error.executed === 'rolled-back'
}

/**
 * Whether a transaction that ended with this error may be run again, if its caller has declared
 * that (`retry`): it, and what it reports on, is known not to have happened, and the reason is
 * other work at the same data, a lost connection, or a server that takes no writes. An error of
 * another pool counts as well: this transaction was rolled back, and so was what failed there. Not
 * repeated is what failed for want of a connection, of this pool or another: waiting again would
 * only make the shortage longer. `readOnly` says that the transaction itself was begun as READ
 * ONLY: a write is then refused wherever it runs.
 */
export function isRepeatable(error: unknown, readOnly = false): boolean {
  if (!(error instanceof PoolhouseError) || !isUndone(error)) return false
  if (readOnly && refusesWrites(error)) return false
  return endsSession(error) || (error instanceof DatabaseError && error.retryable)
}

/** Whether an ERROR that answered COMMIT says that its outcome is not known. */
export function leavesCommitOpen(error: DatabaseError): boolean {
  return meaningOf(wordsOf(error), 'commit').executed === 'unknown'
}

function logInNews({ cause }: ConnectError, code: string): NodeNews {
  // What the server said beside its code: an error of a driver, or ours.
  const said: Partial<ServerWords> =
    cause instanceof DatabaseError ? wordsOf(cause) : cause instanceof Error ? cause : {}
  const { message = '', where, routine } = said
  return meaningOf({ code, severity: 'FATAL', message, where, routine }, 'log-in').node
}

function byCode(code: string): Meaning {
  return meaningOf({ code, severity: 'FATAL', message: '' })
}
