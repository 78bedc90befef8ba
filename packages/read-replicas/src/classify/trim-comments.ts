import type { Classification } from './classification.js'
import { SqlLexer, TOKEN } from './sql-lexer.js'

/**
 * The text without the spaces and comments before its first token and behind its last one; or, if servers may read it in two ways, that it
 * counts as a write.
 */
export function trimComments(text: string): string | Classification {
  const lexer = new SqlLexer(text, true)
  let kind = lexer.next()
  const start = lexer.start
  let end = start
  for (; kind !== TOKEN.end; kind = lexer.next()) end = lexer.end
  const { trouble } = lexer
  if (trouble !== undefined) {
    return Object.freeze({ verdict: 'write', reason: `it has ${trouble}` })
  }
  return text.slice(start, end)
}
