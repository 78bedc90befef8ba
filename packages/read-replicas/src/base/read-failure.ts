import {
  AcquireTimeoutError,
  AuthenticationError,
  ConnectError,
  DatabaseError,
  PoolClosedError,
  type PoolhouseError,
  ReadIntentError,
} from '@poolhouse/core'
import {
  endsSession,
  hasCondition,
  isAnswer,
  lacksRelationFile,
  leadsElsewhere,
  newsOf,
  refusesAsStandby,
  refusesWrites,
} from '@poolhouse/core/kit'

// crash_shutdown: the server has ended all its sessions.
const CRASH = '57P02'
// No server listens at the address. Any other code may be due to the network or to a busy server.
const REFUSALS: ReadonlySet<unknown> = new Set(['ECONNREFUSED', 'ENOENT'])

/**
 * What an error says against the node:
 *
 * - `node`: it does not let sessions in, or has lost them; it is ejected
 * - `ask`: it answered, but ended this session or refused to open one: a probe decides
 * - `own`: it refused this role, this database or these settings, which may be those of one tenant
 *   among many: a probe, now and then, decides whether that holds for all of them
 * - `none`: nothing. Full queues, a full server, SQL errors and conflicts are not the node's fault
 */
export type Blame = 'node' | 'ask' | 'own' | 'none'

/** What an error says against the node. */
export function blameOf(error: unknown): Blame {
  if (error instanceof PoolClosedError) return 'node'
  // The name of the node leads to other servers now.
  if (leadsElsewhere(error)) return 'none'
  if (error instanceof AcquireTimeoutError) {
    return error.cause instanceof ConnectError ? leisurely(blameOf(error.cause)) : 'none'
  }
  const news = newsOf(error)
  if (error instanceof ConnectError) {
    // A full server is not a broken one.
    if (news === 'full' || news === 'limited') return 'none'
    if (news === 'none') return 'own'
    return news === 'suspect' && isAnswer(error) ? 'ask' : 'node'
  }
  if (!endsSession(error) || news === 'none') return 'none'
  // An operator may have ended that one session, or a function that raised FATAL.
  return isAnswer(error) && (news === 'suspect' || news === 'going-down') && !isCrash(error)
    ? 'ask'
    : 'node'
}

/**
 * A caller that waited in vain has waited for a pool: the node may have answered others meanwhile.
 */
function leisurely(blame: Blame): Blame {
  return blame === 'node' ? 'ask' : blame
}

function isCrash(error: unknown): boolean {
  const { code, sqlState } = error as { code?: unknown; sqlState?: unknown }
  return code === CRASH || sqlState === CRASH
}

/** Whether the server is down for certain: its address refuses connections. */
export function isRefusal(error: unknown): boolean {
  if (!(error instanceof ConnectError) || error instanceof AuthenticationError) return false
  for (let cause: unknown = error.cause; cause instanceof Error; cause = cause.cause) {
    if (REFUSALS.has((cause as { code?: unknown }).code)) return true
  }
  return false
}

/**
 * Whether a replica cancelled the read in favour of replay or of another session. That is normal,
 * not a fault.
 */
function isConflict(error: unknown): boolean {
  return hasCondition(error, 'serialization_failure', 'deadlock_detected')
}

/**
 * How a failed read may go on: `unsent` moves to another node; `sent` would be sent a second time;
 * `primary` ran nothing, and only the primary can answer it; `final` is the answer for the caller.
 */
export type AfterFailure = 'unsent' | 'sent' | 'primary' | 'final'

/**
 * Whether a replica refused the read only because it is a standby, and ran nothing of it: unlogged
 * tables, SERIALIZABLE, "recovery is in progress". Only an error of the server counts. A refused
 * write is none of these: a read must not write on any server.
 */
export function isStandbyRefusal(error: unknown): boolean {
  return refusesAsStandby(error) || lacksRelationFile(error)
}

/** How a failed read may go on. */
export function afterFailure(error: unknown): AfterFailure {
  if (isStandbyRefusal(error)) return 'primary'
  if (isConflict(error)) return 'sent'
  const isOver =
    error instanceof PoolClosedError || error instanceof ConnectError || endsSession(error)
  if (isOver) return (error as PoolhouseError).executed === 'no' ? 'unsent' : 'sent'
  return couldNotConnect(error) ? 'unsent' : 'final'
}

/** Whether no connection to the node could be opened in time. */
function couldNotConnect(error: unknown): boolean {
  return error instanceof AcquireTimeoutError && error.cause instanceof ConnectError
}

/** The error for the caller of a read: if the server refused it as a write, a `ReadIntentError`. */
export function readErrorOf(error: unknown): unknown {
  if (!(error instanceof DatabaseError && refusesWrites(error))) return error
  return new ReadIntentError(
    `a read tried to write: ${error.message}; writes go to the pool itself, without intent "read" and not through reader()`,
    { executed: error.executed, cause: error },
  )
}
