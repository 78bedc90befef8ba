import { ConnectError, DatabaseError, PoolClosedError, PoolhouseError } from '@poolhouse/core'
import type { Finding } from './observation.js'

const NO_RIGHT = '42501'
// Function does not exist, no right to call it: the probe cannot work, and waiting will not help.
const CANNOT_PROBE: ReadonlySet<string> = new Set(['42883', NO_RIGHT])
// Nobody listens on the port, or the file of the Unix socket is not there.
const NOBODY_LISTENS: ReadonlySet<string> = new Set(['ECONNREFUSED', 'ENOENT'])
// Our own process or machine has run out of something; that says nothing about the server.
const OUR_TROUBLE: ReadonlySet<string> = new Set(['EMFILE', 'ENFILE', 'ENOMEM', 'EADDRNOTAVAIL'])

/** What a failed probe says about the server. */
export function findingOf(error: unknown): Finding {
  const sqlState = sqlStateOf(error)
  if (sqlState === '57P03') return { kind: 'starting', detail: messageOf(error) }
  if (error instanceof ConnectError && (error.fatal || sqlState === NO_RIGHT)) {
    return { kind: 'denied', error }
  }
  if (error instanceof DatabaseError && CANNOT_PROBE.has(error.code)) {
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
  // Whoever answers with an SQLSTATE is alive: too many connections, role just changing, out of memory. Not so the last
  // words of a session.
  if (sqlState?.startsWith('57P') === true) return { kind: 'failed', detail: messageOf(error) }
  if (error instanceof DatabaseError || sqlState?.startsWith('53') === true) {
    return { kind: 'busy', detail: messageOf(error) }
  }
  return { kind: 'failed', detail: messageOf(error) }
}

/** Whether the role changed between two functions of the same probe, so that asking again will do. */
export function isRoleChanging(error: unknown): boolean {
  return error instanceof DatabaseError && error.code === '55000'
}

/** Whether the service does without what the probe asks for, for good. */
export function isUnsupported(error: unknown): boolean {
  return error instanceof DatabaseError && error.code === '0A000'
}

function sqlStateOf(error: unknown): string | undefined {
  if (error instanceof DatabaseError) return error.code
  return (error as { sqlState?: string } | null | undefined)?.sqlState
}

/** Looks down the causes. A name with several addresses gives an `AggregateError`: then all of them must agree. */
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
