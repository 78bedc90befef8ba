import { SqlStatements, TOKEN } from '@poolhouse/core/sql'

/**
 * A statement of a text that may hold several, and the same with everything that is not code
 * blanked out.
 */
export interface StatementPart {
  /** The statement without the semicolon and without white space around it. */
  readonly text: string
  /**
   * The statement, same length, with comments, string literals and quoted identifiers replaced by
   * spaces: what is left is keywords, plain names, numbers and punctuation, so that a word found
   * here is not part of data.
   */
  readonly code: string
}

/**
 * Splits SQL text at its semicolons as the server does: those in strings, dollar quotes, quoted
 * identifiers, nested comments and bodies of routines do not count. Empty statements are left out.
 * What a server would refuse, such as a string without an end, belongs to the last statement and is
 * no code.
 */
export function splitStatements(sql: string): StatementPart[] {
  const parts: StatementPart[] = []
  const statements = new SqlStatements(sql)
  const { lexer } = statements
  let start = 0
  let code = ''
  let isEmpty = true

  const add = (end: number): void => {
    const raw = sql.slice(start, end)
    const text = raw.trim()
    const lead = raw.length - raw.trimStart().length
    // A part of nothing but white space and comments is no statement.
    if (!isEmpty)
      parts.push({ text, code: code.padEnd(raw.length).slice(lead, lead + text.length) })
    start = end + 1
    code = ''
    isEmpty = true
  }

  for (let kind = statements.next(); kind !== TOKEN.end; kind = statements.next()) {
    if (statements.isEnd) {
      add(lexer.start)
      continue
    }
    isEmpty = false
    if (kind === TOKEN.string || kind === TOKEN.quoted) continue
    code = code.padEnd(lexer.start - start) + sql.slice(lexer.start, lexer.end)
  }
  if (lexer.trouble !== undefined) isEmpty = false
  add(sql.length)
  return parts
}
