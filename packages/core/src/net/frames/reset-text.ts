import type { ResetLevel, TransactionStatus } from '../../api/driver.js'

// What SQL's PREPARE has left, and not what the driver prepared: DISCARD ALL would drop that behind
// its back. Where a database has no plpgsql the reset fails, and the session is destroyed.
const DEALLOCATE =
  'DO $$DECLARE n pg_catalog.text; BEGIN FOR n IN SELECT p.name FROM pg_catalog.pg_prepared_statements p WHERE p.from_sql LOOP ' +
  "EXECUTE pg_catalog.format('DEALLOCATE %I', n); END LOOP; END$$"
// RESET ALL returns to the values of the start-up message. All of it is allowed on a standby.
const UNLOCK = 'SELECT pg_catalog.pg_advisory_unlock_all()'
const SETTINGS: readonly string[] = ['RESET SESSION AUTHORIZATION', 'RESET ROLE', 'RESET ALL']
const RESET_SHARED: readonly string[] = [
  ...SETTINGS,
  'CLOSE ALL',
  'UNLISTEN *',
  UNLOCK,
  'DISCARD TEMP',
  'DISCARD SEQUENCES',
]

/**
 * The messages that do the same where a program in between may have several servers, such as
 * Pgpool-II: it sends all that is in one message to the primary, a lone setting to every server,
 * and a lone question to the one that it has chosen for the reads of the session.
 */
export function resetMessages(level: ResetLevel, status: TransactionStatus): readonly string[] {
  const statements = resetStatements(level, status)
  if (statements.length === 0) return []
  const elsewhere = level === 'rollback' ? [] : [...SETTINGS, UNLOCK]
  return [statements.join('; '), ...elsewhere]
}

/**
 * The statements that bring a session of this status back to a known state; none if it is there
 * already.
 */
export function resetStatements(level: ResetLevel, status: TransactionStatus): readonly string[] {
  const rollback = status === 'idle' ? [] : ['ROLLBACK']
  if (level === 'rollback') return rollback
  return [...rollback, ...RESET_SHARED, ...(level === 'session' ? [DEALLOCATE] : [])]
}
