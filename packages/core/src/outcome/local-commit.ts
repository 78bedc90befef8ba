import { isCondition } from './conditions.js'

/**
 * Whether the notice says that a commit is on the disk of the primary alone. Recognised by the
 * server's function that sends it, because a deferred trigger may raise a warning with the same
 * codes while COMMIT runs; by its English text where the function is not reported.
 */
export function tellsLocalCommit(notice: {
  readonly code: string
  readonly message: string
  readonly routine?: string | undefined
}): boolean {
  const { code, message, routine } = notice
  // `ereport(WARNING)` without a code, when the wait was cancelled; the other when the session is
  // being terminated.
  if (!isCondition(code, 'warning', 'admin_shutdown')) return false
  if (routine !== undefined) return routine === 'SyncRepWaitForLSN'
  return /^canceling (?:the )?wait for synchronous replication/.test(message)
}
