import { type Classification, SqlLexer, TOKEN, troubleOf } from '@poolhouse/core/sql'

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
