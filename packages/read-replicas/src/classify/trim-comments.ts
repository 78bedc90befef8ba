import { SqlLexer, TOKEN } from '@poolhouse/core/sql'
import type { Classification } from './classification.js'

/**
 * The text without the spaces and comments before its first token and after its last one. If
 * servers may read the text in two ways, it returns a classification as a write instead.
 */
export function trimComments(text: string): string | Classification {
  const lexer = new SqlLexer(text, 'either')
  let kind = lexer.next()
  const start = lexer.start
  let end = start
  for (; kind !== TOKEN.end; kind = lexer.next()) end = lexer.end
  const trouble = troubleOf(text, lexer)
  if (trouble !== undefined) {
    return Object.freeze({ verdict: 'write', reason: `it has ${trouble}` })
  }
  return text.slice(start, end)
}

/**
 * Why the text cannot be read with certainty; undefined if it can. `lexer` has read the text to its
 * end. The server stops reading at a zero byte.
 */
export function troubleOf(text: string, lexer: SqlLexer): string | undefined {
  return text.includes('\0') ? 'a zero byte, where the server stops reading' : lexer.trouble
}
