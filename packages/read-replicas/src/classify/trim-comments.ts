import { SqlLexer, TOKEN } from '@poolhouse/core/sql'
import type { Classification } from './classification.js'
import { troubleOf } from './statement-reader.js'

/**
 * The text without the spaces and comments before its first token and behind its last one; or, if
 * servers may read it in two ways, that it counts as a write.
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
