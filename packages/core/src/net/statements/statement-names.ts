import { showName } from '../../base/printable.js'
import { type Condition, isBesideTheStatement, isCondition } from '../../outcome/conditions.js'
import { DatabaseError, setRetryable } from '../../outcome/database-error.js'
import { nameAt } from '../../sql/names.js'
import { SqlLexer, TOKEN } from '../../sql/sql-lexer.js'
import type { ServerError } from '../frames/server-error.js'

const OPEN = 0x28

// The server keeps the columns of these for the life of a prepared statement and refuses to run it
// (0A000) when they would change. Of utility statements it does not: FETCH and EXECUTE return
// whatever lies behind the name at that moment.
const FIXED_SHAPE: ReadonlySet<string> = new Set(
  'select insert update delete merge with values table'.split(' '),
)
// NAMEDATALEN of the server is 64, with the zero at the end.
const LONGEST_NAME = 63

/** Whether a prepared statement is certain to return the same columns each time. */
export function hasFixedShape(text: string): boolean {
  const lexer = new SqlLexer(text)
  let kind = lexer.next()
  while (kind === TOKEN.sign && lexer.code === OPEN) kind = lexer.next()
  return kind === TOKEN.word && FIXED_SHAPE.has(nameAt(text, lexer.start, lexer.end))
}

/**
 * What speaks against running a text under a name, undefined if nothing does: the name stands for
 * another text, `known`, or PostgreSQL would cut it off.
 */
export function refusalOfName(
  name: string,
  text: string,
  known: string | undefined,
): TypeError | undefined {
  if (known !== undefined && known !== text) {
    return new TypeError(
      `statement name ${showName(name)} was used for another text on this connection; one name must always carry the same text`,
    )
  }
  if (known === undefined && Buffer.byteLength(name) > LONGEST_NAME) {
    return new TypeError(
      `statement name ${showName(name)} is longer than ${LONGEST_NAME} bytes, where PostgreSQL would cut it off`,
    )
  }
  return undefined
}

// What only a statement that was parsed earlier can say: its result would change, it is gone, or
// something it refers to is gone.
const CERTAINLY_STALE: readonly Condition[] = [
  'feature_not_supported',
  'invalid_sql_statement_name',
  'internal_error',
]

/**
 * Whether an error of a statement that was parsed earlier may come from that. Asked about errors
 * before BindComplete, when nothing was executed: parameter types are settled at Parse, so a value
 * that no longer fits them is refused with codes of every kind.
 */
export function mayBeStale({ code = '' }: ServerError): boolean {
  return !isBesideTheStatement(code)
}

/** Whether Parse was refused because the server session holds a statement of that name. */
export function isForeign({ code }: ServerError): boolean {
  return isCondition(code, 'duplicate_prepared_statement')
}

/**
 * Says on an error of a statement that was parsed earlier, before its BindComplete, whether the
 * whole transaction is worth another attempt.
 */
export function markIfStale(error: Error): void {
  if (error instanceof DatabaseError && isCondition(error.code, ...CERTAINLY_STALE)) {
    setRetryable(error)
  }
}

/**
 * The error of a name that the caller gave, and under which the server session holds a statement
 * that this session has not prepared.
 */
export function foreignNameError(name: string, error: DatabaseError): DatabaseError {
  return new DatabaseError(
    `statement name "${name}" stands for a statement that this connection has not prepared (${error.message}): if a pooler gives the server session to several clients, set the pooler option of the pool; otherwise use another name`,
    error,
    error.cause,
  )
}
