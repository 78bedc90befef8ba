import { ConnectError, ConnectionLostError, DatabaseError } from '@poolhouse/core'
import { endsSession, newsOf, refusesAsStandby, refusesWrites } from '@poolhouse/core/kit'

/**
 * What becomes of work that failed on a node:
 *
 * - `resend`: the work was not sent, or the node refused it before it had any effect: it may be
 *   sent again
 * - `misrouted`: the server refused it as a write, or as something that no standby does; it may be
 *   sent again once it is known who is primary
 * - `in-doubt`: it was sent and no answer came, so it may have been done
 * - `surface`: the caller gets the error
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
    if (endsSession(error)) {
      // FATAL or PANIC: the session is over.
      if (error.executed === 'unknown') return 'in-doubt'
      return error.retryable ? 'resend' : 'surface'
    }
    // A procedure may have committed part of its work before it was refused.
    const isRefused = refusesWrites(error) || refusesAsStandby(error)
    if (isRefused && error.executed === 'no') return 'misrouted'
  }
  return 'surface'
}

/** Whether the error hints that the node's state or role has changed, so that a probe is due. */
export function isHint(error: unknown): boolean {
  const news = newsOf(error)
  return news !== 'none' && news !== 'limited'
}
