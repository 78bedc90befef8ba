import { ConnectError, DatabaseError, PoolClosedError, PoolhouseError } from '@poolhouse/core'
import { endsSession, hasCondition, isCondition, type NodeNews, newsOf } from '@poolhouse/core/kit'
import type { Finding } from '../base/observation.js'

// Nobody listens on the port, or the file of the Unix socket is not there.
const NOBODY_LISTENS: ReadonlySet<string> = new Set(['ECONNREFUSED', 'ENOENT'])
// Our own process or machine has run out of something; that says nothing about the server.
const OUR_TROUBLE: ReadonlySet<string> = new Set(['EMFILE', 'ENFILE', 'ENOMEM', 'EADDRNOTAVAIL'])

// Whoever listens there closes each new connection at once: a proxy whose server is gone does.
const CLOSED: ReadonlySet<string> = new Set(['ECONNRESET', 'EPIPE', 'POOLHOUSE_HUNG_UP'])

const ALIVE: ReadonlySet<NodeNews> = new Set(['full', 'limited', 'short'])

/** What a failed probe says about the server. */
export function findingOf(error: unknown): Finding {
  const news = newsOf(error)
  if (news === 'starting') return { kind: 'starting', detail: messageOf(error) }
  if (
    error instanceof ConnectError &&
    (error.fatal || isCondition(error.sqlState, 'insufficient_privilege'))
  ) {
    return { kind: 'denied', error }
  }
  // The probe cannot work, and waiting will not help.
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
  if (isCaused(error, NOBODY_LISTENS)) return { kind: 'refused', detail: messageOf(error) }
  if (isCaused(error, OUR_TROUBLE)) return { kind: 'busy', detail: messageOf(error) }
  // A server that answers a statement is alive, and so is one that has too little of something:
  // connections, memory. Not so one that has said its last words.
  const isAlive = error instanceof DatabaseError && !endsSession(error)
  const kind = isAlive || ALIVE.has(news) ? 'busy' : 'failed'
  if (kind === 'busy') return { kind, detail: messageOf(error) }
  const isClosed = error instanceof ConnectError && isCaused(error, CLOSED)
  return { kind, detail: messageOf(error), isClosed }
}

/**
 * Whether the role changed between two functions of the same probe, so that asking again will do.
 */
export function isRoleChanging(error: unknown): boolean {
  return hasCondition(error, 'object_not_in_prerequisite_state')
}

/** Whether the service does without what the probe asks for, for good. */
export function isUnsupported(error: unknown): boolean {
  return hasCondition(error, 'feature_not_supported')
}

/**
 * Looks down the causes. A name with several addresses gives an `AggregateError`: then all of them
 * must agree.
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

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
