import {
  AuthenticationError,
  ConnectError,
  ConnectionLostError,
  DatabaseError,
  PoolhouseError,
} from '@poolhouse/core'

/**
 * What becomes of work that failed on a node:
 *
 * - `resend`: it was not sent, or was refused before any effect, because of the node: it may be sent again
 * - `misrouted`: refused as a write on a read-only server (25006); sent again once it is known who is primary
 * - `in-doubt`: it was sent and no answer came; it may have been done
 * - `surface`: the caller's to deal with
 */
export type Fate = 'resend' | 'misrouted' | 'in-doubt' | 'surface'

/** What becomes of a statement, an acquire or a BEGIN that failed with this error. */
export function fateOf(error: unknown): Fate {
  if (error instanceof ConnectionLostError) {
    if (error.executed === 'no') return 'resend'
    return error.executed === 'unknown' ? 'in-doubt' : 'surface'
  }
  if (error instanceof ConnectError) return error.fatal ? 'surface' : 'resend'
  if (error instanceof DatabaseError) {
    // A procedure may have committed a part of its work before it was refused.
    if (error.code === '25006' && error.executed === 'no') return 'misrouted'
    if (error.code === '57P03' && error.executed === 'no') return 'resend'
    // The last words of a session: whether the statement was done before them nobody knows.
    return error.severity !== 'ERROR' && error.executed === 'unknown' ? 'in-doubt' : 'surface'
  }
  return 'surface'
}

/** Whether the error hints that the node is not, or no longer, what it was taken for. */
export function isSign(error: unknown): boolean {
  if (error instanceof ConnectionLostError) return true
  if (error instanceof ConnectError) {
    return !(error instanceof AuthenticationError || error.fatal)
  }
  return error instanceof DatabaseError && (error.code === '25006' || error.code.startsWith('57P0'))
}

/** Whether a transaction that failed with this error is known not to have happened and may succeed if run again. */
export function isRepeatable(error: unknown): boolean {
  return (
    error instanceof PoolhouseError &&
    error.retryable &&
    (error.executed === 'no' || error.executed === 'rolled-back')
  )
}

/** Whether the server undid the work because others were at the same data: serialization failure, deadlock, lock not available. */
export function isConflict(error: unknown): boolean {
  return error instanceof DatabaseError && /^(?:40001|40P01|55P03)$/.test(error.code)
}
