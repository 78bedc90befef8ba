import { ConnectError, ConnectionLostError, DatabaseError } from '@poolhouse/core'
import { endsSession, newsOf, refusesAsStandby, refusesWrites } from '@poolhouse/core/kit'

/**
 * What becomes of work that failed on a node:
 *
 * - `resend`: it was not sent, or was refused before any effect, because of the node: it may be
 *   sent again
 * - `misrouted`: the server itself refused it as a write, or as what no standby does; sent again
 *   once it is known who is primary
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
    if (endsSession(error)) {
      // The last words of a session.
      if (error.executed === 'unknown') return 'in-doubt'
      return error.retryable ? 'resend' : 'surface'
    }
    // A procedure may have committed a part of its work before it was refused.
    const isRefused = refusesWrites(error) || refusesAsStandby(error)
    if (isRefused && error.executed === 'no') return 'misrouted'
  }
  return 'surface'
}

/** Whether the error hints that the node is not, or no longer, what it was taken for. */
export function isSign(error: unknown): boolean {
  const news = newsOf(error)
  return news !== 'none' && news !== 'limited'
}
