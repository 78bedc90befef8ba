import { SqlLexer, TOKEN } from './sql-lexer.js'

// A URL, a key, or a word beside which a text may hold a secret as a literal.
const MAY_HOLD_SECRET = /:\/\/|-----BEGIN|passw|passphrase|pwd|secret|token|credential|api_?key/i
const STRING = /['$]/

/** Whether a text of SQL may hold a secret, such as that of `alter role … password '…'`. */
function mayHoldSecret(text: string): boolean {
  return MAY_HOLD_SECRET.test(text) && STRING.test(text)
}

/**
 * A text of SQL as it may be shown: whole, but with `'…'` in the place of its strings if it may
 * hold a secret, or if `hidesAll` says so.
 */
export function shownText(text: string, hidesAll: boolean): string {
  return hidesAll || mayHoldSecret(text) ? hideStrings(text) : text
}

/**
 * A text of SQL with `'…'` in the place of every string, whatever its spelling. What cannot be read
 * with certainty is left out, from there to the end.
 */
export function hideStrings(text: string): string {
  if (!STRING.test(text)) return text
  const lexer = new SqlLexer(text, 'either')
  let shown = ''
  let from = 0
  for (let kind = lexer.next(); kind !== TOKEN.end; kind = lexer.next()) {
    if (kind !== TOKEN.string) {
      shown += text.slice(from, lexer.end)
    } else {
      shown += `${text.slice(from, lexer.start)}'…'`
    }
    from = lexer.end
  }
  return lexer.trouble === undefined ? shown + text.slice(from) : `${shown} …`
}
