import type { TypeParser } from './type-parser.js'

const BACKSLASH = 92
const QUOTE = 34
const BOUNDS = 91
const OPEN = 123
const CLOSE = 125

/**
 * Makes a parser for the text of an array, `{1,NULL,"a \"b\""}`, with any number of dimensions and
 * with or without bounds before it, `[0:2]={…}`, which an array of JavaScript has no place for.
 * `parse` gets the text of each element that is not NULL; without it the texts are the elements. A
 * text that is no array stays text.
 */
export function arrayParser(parse: TypeParser | undefined, delimiter: string): TypeParser {
  const comma = delimiter.charCodeAt(0)
  return (text) => {
    const start = text.charCodeAt(0) === BOUNDS ? text.indexOf('=') + 1 : 0
    if (text.charCodeAt(start) !== OPEN) return text
    return scan(text, start, comma, parse) ?? text
  }
}

/**
 * One pass over the text, with the open arrays on a stack of its own; undefined for what is no
 * array.
 */
function scan(
  text: string,
  start: number,
  comma: number,
  parse: TypeParser | undefined,
): unknown[] | undefined {
  const outer: unknown[][] = []
  let current: unknown[] = []
  let index = start + 1
  // Only right behind an opening brace may an array end without an element.
  let first = true
  while (index < text.length) {
    let code = text.charCodeAt(index)
    if (code === OPEN) {
      outer.push(current)
      current = []
      index += 1
      first = true
      continue
    }
    if (code === QUOTE) {
      const end = endOfQuoted(text, index)
      if (end === -1) return undefined
      const element = unquote(text, index + 1, end)
      current.push(parse === undefined ? element : parse(element))
      index = end + 1
    } else if (!(first && code === CLOSE)) {
      const begin = index
      while (index < text.length && code !== comma && code !== CLOSE) {
        index += 1
        code = text.charCodeAt(index)
      }
      const element = text.slice(begin, index)
      if (element === '') return undefined
      if (element === 'NULL') current.push(null)
      else current.push(parse === undefined ? element : parse(element))
    }
    // Behind an element there is a comma or the end, or several ends.
    while (text.charCodeAt(index) === CLOSE) {
      index += 1
      const finished = current
      const parent = outer.pop()
      if (parent === undefined) return index === text.length ? finished : undefined
      parent.push(finished)
      current = parent
    }
    if (text.charCodeAt(index) !== comma) return undefined
    index += 1
    first = false
  }
  return undefined
}

function endOfQuoted(text: string, start: number): number {
  for (let index = start + 1; index < text.length; index++) {
    const code = text.charCodeAt(index)
    if (code === QUOTE) return index
    if (code === BACKSLASH) index += 1
  }
  return -1
}

function unquote(text: string, start: number, end: number): string {
  let from = start
  let element = ''
  for (let index = start; index < end; index++) {
    if (text.charCodeAt(index) !== BACKSLASH) continue
    element += text.slice(from, index)
    // What follows a backslash is itself, even another backslash.
    index += 1
    from = index
  }
  return from === start ? text.slice(start, end) : element + text.slice(from, end)
}
