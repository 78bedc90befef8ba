import { isCondition } from '../../outcome/conditions.js'
import type { DatabaseError } from '../../outcome/database-error.js'

/**
 * What resets a session in front of its next statement. All of it goes out in one piece with that
 * statement, in the extended protocol and without a Sync of its own: after an error the server
 * passes over whatever comes before the next Sync, or, if none comes, for ever, so that the
 * statement does not run; and because of COMMIT an error of the statement undoes nothing. Parse and
 * Describe apart, that is no round trip.
 *
 * `session_authorization` is missing because the server reports it: a session where it has changed
 * is reset when it is given back. Anything that the statement in the middle finds and that cannot
 * be undone unseen makes it fail, and the session is destroyed.
 */
const PARTS: readonly string[] = [
  // The level of the session may be `serializable`, which no standby allows, or wait for a safe
  // snapshot.
  'BEGIN ISOLATION LEVEL READ COMMITTED, NOT DEFERRABLE',
  // To the values of the start-up message. Early, because of a `statement_timeout`.
  'RESET ALL',
  'RESET ROLE',
  'CLOSE ALL',
  'UNLISTEN *',
  'DISCARD TEMP',
  'DISCARD SEQUENCES',
  // DEALLOCATE needs a name, and DO a language that not every database has.
  'SELECT pg_catalog.pg_advisory_unlock_all(), pg_catalog.int4div(1, CASE WHEN EXISTS (' +
    'SELECT FROM pg_catalog.pg_prepared_statement() AS p WHERE p.from_sql) THEN 0 ELSE 1 END)',
  'COMMIT',
]

/** How many CommandComplete messages answer the reset. */
export const RESET_PARTS: number = PARTS.length
/** For a session that has the parts prepared. */
export const RESET_AGAIN: Buffer = Buffer.concat(PARTS.map((_, index) => run(nameOf(index))))
/** For a session that may not have them: it may also have others of these names. */
export const RESET_AT_FIRST: Buffer = Buffer.concat(
  PARTS.map((text, index) =>
    Buffer.concat([
      message(0x43, `S${nameOf(index)}\0`),
      message(0x50, `${nameOf(index)}\0${text}\0`, 0, 0),
      run(nameOf(index)),
    ]),
  ),
)

/** What the server's refusal of a part means. */
export function whyRefused(error: Error): Error {
  // The one part that divides does so to fail when there is something that it cannot undo.
  if (!isCondition((error as Partial<DatabaseError>).code, 'division_by_zero')) return error
  return new Error('a statement that was prepared in SQL is left in it', { cause: error })
}

function nameOf(index: number): string {
  return `poolhouse_reset_${index}`
}

/** Bind of the unnamed portal without values, and Execute of all of it. */
function run(name: string): Buffer {
  return Buffer.concat([
    message(0x42, `\0${name}\0`, 0, 0, 0, 0, 0, 0),
    message(0x45, '\0', 0, 0, 0, 0),
  ])
}

function message(kind: number, text: string, ...rest: number[]): Buffer {
  const body = Buffer.concat([Buffer.from(text), Buffer.from(rest)])
  const head = Buffer.from([kind, 0, 0, 0, 0])
  head.writeUInt32BE(4 + body.length, 1)
  return Buffer.concat([head, body])
}
