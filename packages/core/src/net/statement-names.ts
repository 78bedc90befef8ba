import { nameAt } from '../sql/names.js'
import { SqlLexer, TOKEN } from '../sql/sql-lexer.js'
import type { ServerError } from './server-error.js'

const OPEN = 0x28

// The server keeps the columns of these for the life of a prepared statement and refuses to run it (0A000) when they would
// change. Of utility statements it does not: FETCH and EXECUTE return whatever lies behind the name at that moment.
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
 * What speaks against running a text under a name, undefined if nothing does: the name stands for another text, `known`, or
 * PostgreSQL would cut it off.
 */
export function refusalOfName(
  name: string,
  text: string,
  known: string | undefined,
): TypeError | undefined {
  if (known !== undefined && known !== text) {
    return new TypeError(
      `statement name "${name}" was used for another text on this connection; one name must always carry the same text`,
    )
  }
  if (known === undefined && Buffer.byteLength(name) > LONGEST_NAME) {
    return new TypeError(
      `statement name "${name}" is longer than ${LONGEST_NAME} bytes, where PostgreSQL would cut it off`,
    )
  }
  return undefined
}

/**
 * Whether an error means that a prepared statement was lost on the server (DISCARD, DEALLOCATE, a pooler) or no longer fits its
 * tables, so that it has to be made anew. The server says all of this before it executes anything.
 */
export function saysStale({ code, routine }: ServerError): boolean {
  return (
    (code === '26000' && routine === 'FetchPreparedStatement') ||
    (code === '42P05' && routine === 'StorePreparedStatement') ||
    (code === '0A000' && routine === 'RevalidateCachedQuery')
  )
}
