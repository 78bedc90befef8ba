import { describeValue } from './option-check.js'
import { tokens } from './statement-traits.js'

/** The error for a COPY whose data goes through the connection, given to `call`, which has no place for the data. */
export function copyMisfit(call: string, text: string): TypeError {
  const fit = copyDirectionOf(text) === 'from' ? 'copyFrom(sql, source)' : 'copyTo(sql)'
  return new TypeError(`${call} cannot carry the data of a COPY; use ${fit}`)
}

/** Throws `TypeError` unless the text is one COPY whose data goes through the connection in this direction. */
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

/** Which way the data of a COPY goes through the connection; undefined if the text is anything else, or more than that. */
function copyDirectionOf(text: string): 'from' | 'to' | undefined {
  let direction: 'from' | 'to' | undefined
  let previous = ''
  let depth = 0
  for (const token of tokens(text)) {
    if (previous === ';' && token !== ';') return undefined
    if (previous === '' && token !== 'copy') return undefined
    if (token === '(') depth++
    else if (token === ')') depth--
    // Inside parentheses `stdin` is the name of a table or a column.
    else if (depth === 0 && previous === 'from' && token === 'stdin') direction = 'from'
    else if (depth === 0 && previous === 'to' && token === 'stdout') direction = 'to'
    previous = token
  }
  return direction
}
