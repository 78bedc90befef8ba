import { TOKEN } from './sql-lexer.js'
import { SqlStatements } from './sql-statements.js'

const SEMICOLON = 0x3b

/** Whether a text holds more than one statement, empty ones not counted. */
export function isSeveral(text: string): boolean {
  const first = text.indexOf(';')
  if (first === -1 || isBlank(text, first + 1)) return false
  const statements = new SqlStatements(text, 'literal')
  let ended = false
  for (let kind = statements.next(); kind !== TOKEN.end; kind = statements.next()) {
    if (statements.isEnd) ended = true
    else if (ended) return true
  }
  return false
}

function isBlank(text: string, from: number): boolean {
  for (let at = from; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code > 0x20 && code !== SEMICOLON) return false
  }
  return true
}
