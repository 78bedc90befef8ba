import { describeValue } from '../base/option-check.js'
import { guardWord } from '../sql/guard-words.js'
import { TOKEN } from '../sql/sql-lexer.js'
import { SqlStatements } from '../sql/sql-statements.js'

const COPY = guardWord('copy')
const FROM = guardWord('from')
const STDIN = guardWord('stdin')
const STDOUT = guardWord('stdout')
const TO = guardWord('to')

/**
 * The error for a COPY whose data goes through the connection, given to `call`, which has no place
 * for the data.
 */
export function copyMisfit(call: string, text: string): TypeError {
  const fit = copyDirectionOf(text) === 'from' ? 'copyFrom(sql, source)' : 'copyTo(sql)'
  return new TypeError(`${call} cannot carry the data of a COPY; use ${fit}`)
}

/**
 * Throws `TypeError` unless the text is one COPY whose data goes through the connection in this
 * direction.
 */
export function refuseUnlessCopy(text: unknown, direction: 'from' | 'to'): asserts text is string {
  const call = direction === 'from' ? 'copyFrom' : 'copyTo'
  if (typeof text !== 'string') {
    throw new TypeError(`${call}: expected SQL text, got ${describeValue(text)}`)
  }
  const found = copyDirectionOf(text)
  if (found === direction) return
  const expected = direction === 'from' ? 'COPY … FROM STDIN' : 'COPY … TO STDOUT'
  const other = direction === 'from' ? 'copyTo' : 'copyFrom'
  const wayOut = found === undefined ? 'run anything else with query' : `that one is for ${other}`
  throw new TypeError(`${call}: expected one statement ${expected}; ${wayOut}`)
}

/**
 * Which way the data of a COPY goes through the connection; undefined if the text is anything else,
 * or more than that.
 */
function copyDirectionOf(text: string): 'from' | 'to' | undefined {
  const statements = new SqlStatements(text)
  let direction: 'from' | 'to' | undefined
  let count = 0
  for (let kind = statements.next(); kind !== TOKEN.end; kind = statements.next()) {
    const { word, previous, depth } = statements
    if (statements.isFirst && (++count > 1 || word !== COPY)) return undefined
    // Inside parentheses `stdin` is the name of a table or a column.
    if (depth > 0) continue
    if (word === STDIN && previous === FROM) direction = 'from'
    else if (word === STDOUT && previous === TO) direction = 'to'
  }
  return direction
}
