/** A statement of a text that may hold several, and the same with everything that is not code blanked out. */
export interface StatementPart {
  /** The statement without the semicolon and without white space around it. */
  readonly text: string
  /**
   * The statement, same length, with comments, string literals and quoted identifiers replaced by spaces: what is left
   * is keywords, plain names, numbers and punctuation, so that a word found here is not part of data.
   */
  readonly code: string
}

/**
 * Splits SQL text at its semicolons as the server does: those in strings, dollar quotes, quoted identifiers and nested
 * comments do not count. Empty statements are left out. A linear scan, no backtracking.
 */
export function splitStatements(sql: string): StatementPart[] {
  const parts: StatementPart[] = []
  let code = ''
  let start = 0
  let at = 0

  const add = (end: number): void => {
    const raw = sql.slice(start, end)
    const text = raw.trim()
    const lead = raw.length - raw.trimStart().length
    // A part of nothing but white space and comments is no statement.
    if (code.trim() !== '') parts.push({ text, code: code.slice(lead, lead + text.length) })
    code = ''
    start = end + 1
  }

  while (at < sql.length) {
    const end = endOfOpaque(sql, at)
    if (end > at) {
      code += ' '.repeat(end - at)
      at = end
    } else if (sql[at] === ';') {
      add(at)
      at += 1
    } else {
      code += sql[at]
      at += 1
    }
  }
  add(at)
  return parts
}

/** Where the comment, literal or quoted identifier that begins at `at` ends; `at` itself when none begins there. */
function endOfOpaque(sql: string, at: number): number {
  const character = sql[at]!
  switch (character) {
    case '-':
      return sql[at + 1] === '-' ? endAfter(sql, '\n', at + 2) : at
    case '/':
      return sql[at + 1] === '*' ? endOfComment(sql, at) : at
    case "'":
      return endOfQuote(sql, at, isEscapePrefix(sql, at))
    case '"':
      return endOfQuote(sql, at, false)
    case '$':
      return endOfDollarQuote(sql, at)
    default:
      return at
  }
}

function endAfter(sql: string, what: string, from: number): number {
  const found = sql.indexOf(what, from)
  return found < 0 ? sql.length : found + what.length
}

function endOfComment(sql: string, at: number): number {
  let depth = 0
  let next = at
  while (next < sql.length) {
    if (sql.startsWith('/*', next)) {
      depth += 1
      next += 2
    } else if (sql.startsWith('*/', next)) {
      depth -= 1
      next += 2
      if (depth === 0) return next
    } else next += 1
  }
  return sql.length
}

/** Whether the literal is written `E'…'`, the only form in which a backslash escapes. */
function isEscapePrefix(sql: string, at: number): boolean {
  const prefix = sql[at - 1]
  return (prefix === 'e' || prefix === 'E') && !isNamePart(sql[at - 2])
}

function endOfQuote(sql: string, at: number, escapes: boolean): number {
  const quote = sql[at]
  let next = at + 1
  while (next < sql.length) {
    if (escapes && sql[next] === '\\') next += 2
    else if (sql[next] !== quote) next += 1
    else if (sql[next + 1] === quote) next += 2
    else return next + 1
  }
  return sql.length
}

function endOfDollarQuote(sql: string, at: number): number {
  // `a$b$` is a name and `$1` a parameter: neither opens a literal.
  if (isNamePart(sql[at - 1]) || isDigit(sql[at + 1])) return at
  let next = at + 1
  while (sql[next] !== '$' && isNamePart(sql[next])) next += 1
  if (sql[next] !== '$') return at
  return endAfter(sql, sql.slice(at, next + 1), next + 1)
}

function isDigit(character: string | undefined): boolean {
  return character !== undefined && character >= '0' && character <= '9'
}

function isNamePart(character: string | undefined): boolean {
  return character !== undefined && /[\w$\u0080-\uffff]/.test(character)
}
