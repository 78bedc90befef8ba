import type { Notice } from './driver.js'

/**
 * How safe a commit is. `configured`: as safe as `synchronous_commit` and `synchronous_standby_names` ask for. `local`: on the disk of the
 * primary, but the server stopped waiting for its synchronous standbys; a failover may lose it.
 */
export type Durability = 'configured' | 'local'

// `ereport(WARNING)` without a code is 01000, when the wait was cancelled; 57P01 when the session is being terminated.
const CODES: ReadonlySet<string> = new Set(['01000', '57P01'])

/**
 * Whether the notice says that a commit is on the disk of the primary alone. Recognised by the server's function that sends it, because a
 * deferred trigger may raise a warning with the same codes while COMMIT runs; by its English text where nobody tells the function.
 */
export function tellsLocalCommit({ code, message, routine }: Notice): boolean {
  if (!CODES.has(code)) return false
  if (routine !== undefined) return routine === 'SyncRepWaitForLSN'
  return /^canceling (?:the )?wait for synchronous replication/.test(message)
}
