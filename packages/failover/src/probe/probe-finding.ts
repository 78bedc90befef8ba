import { ConnectError, DatabaseError, PoolClosedError, PoolhouseError } from '@poolhouse/core'
import {
  endsSession,
  hasCondition,
  isCondition,
  messageOf,
  type NodeNews,
  newsOf,
} from '@poolhouse/core/kit'
import type { Finding } from '../base/observation.js'

// Nothing listens on the port, or the file of the Unix socket does not exist.
const NOTHING_LISTENS: ReadonlySet<string> = new Set(['ECONNREFUSED', 'ENOENT'])
// Our own process or machine has run out of a resource, which says nothing about the server.
const OUR_SHORTAGE: ReadonlySet<string> = new Set(['EMFILE', 'ENFILE', 'ENOMEM', 'EADDRNOTAVAIL'])

// The listener closes each new connection at once, as a proxy does whose server is gone.
const CLOSED: ReadonlySet<string> = new Set(['ECONNRESET', 'EPIPE', 'POOLHOUSE_HUNG_UP'])

const ALIVE: ReadonlySet<NodeNews> = new Set(['full', 'limited', 'short'])

/** What the error of a probe says about the server. */
export function findingOf(error: unknown): Finding {
  const news = newsOf(error)
  if (news === 'starting') return { kind: 'starting', detail: messageOf(error) }
  if (
    error instanceof ConnectError &&
    (error.fatal || isCondition(error.sqlState, 'insufficient_privilege'))
  ) {
    return { kind: 'denied', error }
  }
  // Our role may not run the probe, or the server lacks a function. Waiting will not help.
  if (hasCondition(error, 'undefined_function', 'insufficient_privilege')) {
    return {
      kind: 'denied',
      error: new PoolhouseError(
        `the server cannot be probed: ${messageOf(error)}; grant the right, or set fence: "off" where the service hides the function`,
        { cause: error },
      ),
    }
  }
  if (error instanceof PoolClosedError) return { kind: 'refused', detail: 'its pool is closed' }
  if (isCaused(error, NOTHING_LISTENS)) return { kind: 'refused', detail: messageOf(error) }
  if (isCaused(error, OUR_SHORTAGE)) return { kind: 'busy', detail: messageOf(error) }
  // A server that answers a statement is alive, and so is one that is short of connections or
  // memory; not one that ended the session.
  const isAlive = error instanceof DatabaseError && !endsSession(error)
  const kind = isAlive || ALIVE.has(news) ? 'busy' : 'failed'
  if (kind === 'busy') return { kind, detail: messageOf(error) }
  const isClosed = error instanceof ConnectError && isCaused(error, CLOSED)
  return { kind, detail: messageOf(error), isClosed }
}

/**
 * Whether the server changed its role in the middle of the probe, so that the probe can be
 * repeated.
 */
export function isRoleChanging(error: unknown): boolean {
  return hasCondition(error, 'object_not_in_prerequisite_state')
}

/** Whether the service does not support a function of the probe at all. */
export function isUnsupported(error: unknown): boolean {
  return hasCondition(error, 'feature_not_supported')
}

/**
 * Whether the error or one of its causes has one of these codes. A host name with several addresses
 * fails with an `AggregateError`: then every address must have failed with one.
 */
function isCaused(error: unknown, codes: ReadonlySet<string>): boolean {
  for (let at = error, depth = 0; at instanceof Error && depth < 5; at = at.cause, depth++) {
    if (at instanceof AggregateError && at.errors.length > 0) {
      return at.errors.every((one) => isCaused(one, codes))
    }
    const { code } = at as { code?: unknown }
    if (typeof code === 'string' && codes.has(code)) return true
  }
  return false
}
