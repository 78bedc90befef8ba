import { WordTable } from './word-table.js'

/** What a name or a key word means to the guards, as bits. */
export const MEANS = {
  /** A name whose use may change the session for longer than its transaction. */
  change: 1,
  /** A name whose use may leave something in the session that no reset undoes. */
  spoil: 2,
  /** A function that takes or gives back an advisory lock of the session. */
  lock: 4,
  /** `set_config`. */
  setConfig: 8,
  /** `pg_settings`, an UPDATE of which is a SET. */
  settings: 16,
  /** `pg_temp`, and anything else that holds what is temporary. */
  temporary: 32,
} as const

const LOCKS =
  'pg_advisory_lock pg_advisory_lock_shared pg_try_advisory_lock pg_try_advisory_lock_shared'
const UNLOCKS = 'pg_advisory_unlock pg_advisory_unlock_shared pg_advisory_unlock_all'
// Shorthand of pg_trgm for SET.
const CHANGES = 'set_limit'
// What survives RESET ALL and every DISCARD, as tried on PostgreSQL 14 and 18: connections of
// dblink, the seed of random(), an origin of replication, temporary replication slots, a base
// backup under way, a security label.
const SPOILS =
  'dblink_connect dblink_connect_u dblink_open dblink_send_query setseed pg_replication_origin_session_setup ' +
  'pg_create_physical_replication_slot pg_create_logical_replication_slot pg_copy_physical_replication_slot ' +
  'pg_copy_logical_replication_slot pg_start_backup pg_backup_start sepgsql_setcon'
const KEY_WORDS =
  'abort all analyze analyse as atomic authorization begin call commit constraints copy create deallocate declare delete discard do drop ' +
  'end execute explain from function global hold insert into language listen load local merge or prepare prepared procedure ' +
  'recursive release replace reset role rollback rule savepoint select session set start stdin stdout table temp temporary to ' +
  'transaction unlisten update values with work'

/** Every word that the guards of core look for. */
export const GUARD_WORDS: WordTable = new WordTable([
  [LOCKS, MEANS.change | MEANS.lock],
  [UNLOCKS, MEANS.lock],
  [CHANGES, MEANS.change],
  [SPOILS, MEANS.change | MEANS.spoil],
  ['set_config', MEANS.change | MEANS.setConfig],
  ['pg_settings', MEANS.settings],
  ['pg_temp', MEANS.change | MEANS.temporary],
  [KEY_WORDS, 0],
])

/** The number of a key word that the guards know. Throws `RangeError` for any other. */
export function guardWord(word: string): number {
  return GUARD_WORDS.number(word)
}

/**
 * The names that spoil a session, for a look into texts that a server runs and that are no SQL to
 * us.
 */
export const SPOILING_NAMES: readonly string[] = SPOILS.split(' ')
