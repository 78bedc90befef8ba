/** The command leaves prepared statements as they are. */
export const NO_EFFECT = 0
/** Types, tables or functions may be others now. */
export const CHANGES_DEFINITIONS = 1
/** Prepared statements may be gone. */
export const DROPS_STATEMENTS = 2
/** A part of the transaction is undone, and with it what it had changed. */
export const UNDOES = 4
/** A setting has changed. */
export const SETS = 8
/** The transaction is committed, and others see what it had changed. */
export const PUBLISHES = 16

/**
 * What a command did to prepared statements, by its tag. `returnsRows` says whether the server has
 * described columns: a `SELECT` without any is CREATE TABLE AS or SELECT INTO. DO and CALL may do
 * anything.
 */
export function effectOf(tag: string, returnsRows: boolean): number {
  switch (tag.charCodeAt(0)) {
    case 0x41 /* A */:
      return tag.startsWith('ALTER ') ? CHANGES_DEFINITIONS : NO_EFFECT
    case 0x43 /* C */:
      if (tag.startsWith('CREATE ') || tag === 'COMMIT PREPARED') return CHANGES_DEFINITIONS
      if (tag === 'COMMIT') return PUBLISHES
      return tag === 'CALL' ? CHANGES_DEFINITIONS | DROPS_STATEMENTS | SETS : NO_EFFECT
    case 0x44 /* D */:
      return effectOfD(tag)
    case 0x45 /* E */:
      // EXPLAIN ANALYZE runs CREATE TABLE AS, too.
      return tag === 'EXPLAIN' ? CHANGES_DEFINITIONS : NO_EFFECT
    case 0x47 /* G */:
      // A schema that may not be used is no part of the search path.
      return tag.startsWith('GRANT') ? CHANGES_DEFINITIONS : NO_EFFECT
    case 0x49 /* I */:
      return tag === 'IMPORT FOREIGN SCHEMA' ? CHANGES_DEFINITIONS : NO_EFFECT
    case 0x52 /* R */:
      if (tag.startsWith('REVOKE')) return CHANGES_DEFINITIONS
      return tag === 'ROLLBACK' ? UNDOES : NO_EFFECT
    case 0x53 /* S */:
      if (tag.startsWith('SELECT')) return returnsRows ? NO_EFFECT : CHANGES_DEFINITIONS
      return tag === 'SET' ? SETS : NO_EFFECT
    default:
      return NO_EFFECT
  }
}

function effectOfD(tag: string): number {
  if (tag.startsWith('DELETE')) return NO_EFFECT
  if (tag.startsWith('DROP ')) return CHANGES_DEFINITIONS
  if (tag === 'DO') return CHANGES_DEFINITIONS | DROPS_STATEMENTS | SETS
  if (tag === 'DISCARD TEMP') return CHANGES_DEFINITIONS
  if (tag === 'DISCARD ALL') return CHANGES_DEFINITIONS | DROPS_STATEMENTS
  return tag.startsWith('DEALLOCATE') ? DROPS_STATEMENTS : NO_EFFECT
}
