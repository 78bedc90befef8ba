import type { ResetLevel, TransactionStatus } from '../driver.js'

// Everything a session can be left with but its prepared statements, which DISCARD ALL would drop behind the driver's back. RESET
// ALL returns to the values of the start-up message. All of it is allowed on a standby.
const RESET_SESSION =
  'RESET SESSION AUTHORIZATION; RESET ROLE; RESET ALL; CLOSE ALL; UNLISTEN *; ' +
  'SELECT pg_catalog.pg_advisory_unlock_all(); DISCARD TEMP; DISCARD SEQUENCES'

/** The SQL that brings a session of this status back to a known state; undefined if it is there already. */
export function resetText(level: ResetLevel, status: TransactionStatus): string | undefined {
  const open = status !== 'idle'
  if (level === 'session') return open ? `ROLLBACK; ${RESET_SESSION}` : RESET_SESSION
  return open ? 'ROLLBACK' : undefined
}
