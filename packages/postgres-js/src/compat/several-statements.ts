import { SqlStatements, TOKEN } from '@poolhouse/core/sql'

/** The statements of a text, without empty ones. */
export function statementsOf(text: string): string[] {
  // Most texts have one, and no semicolon.
  if (!text.includes(';')) return [text]
  const found: string[] = []
  const statements = new SqlStatements(text)
  let from = 0
  let isEmpty = true
  for (;;) {
    const token = statements.next()
    const { start, end } = statements.lexer
    if (token === TOKEN.end || statements.isEnd) {
      if (!isEmpty) found.push(text.slice(from, token === TOKEN.end ? text.length : start))
      if (token === TOKEN.end) return found.length === 0 ? [text] : found
      from = end
      isEmpty = true
    } else isEmpty = false
  }
}
