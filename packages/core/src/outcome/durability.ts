import type { Notice } from '../api/driver.js'
import { isCondition } from './conditions.js'

/**
 * How safe a commit is. `configured`: as safe as `synchronous_commit` and
 * `synchronous_standby_names` ask for. `local`: on the disk of the primary, but the server stopped
 * waiting for its synchronous standbys; a failover may lose it.
 */
export type Durability = 'configured' | 'local'

/**
 * Whether the notice says that a commit is on the disk of the primary alone. Recognised by the
 * server's function that sends it, because a deferred trigger may raise a warning with the same
 * codes while COMMIT runs; by its English text where nobody tells the function.
 */
export function tellsLocalCommit({ code, message, routine }: Notice): boolean {
  // `ereport(WARNING)` without a code, when the wait was cancelled; the other when the session is
  // being terminated.
  if (!isCondition(code, 'warning', 'admin_shutdown')) return false
  if (routine !== undefined) return routine === 'SyncRepWaitForLSN'
  return /^canceling (?:the )?wait for synchronous replication/.test(message)
}
