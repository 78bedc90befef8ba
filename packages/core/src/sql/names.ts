import { SqlLexer, TOKEN } from './sql-lexer.js'

// NAMEDATALEN less the zero byte.
const LONGEST_NAME = 63
const DOUBLE_QUOTE = 0x22

/**
 * The name that stands there as the server compares names: an unquoted one in lower case, a quoted
 * one without its quotes and with its Unicode escapes put in. Of names that are longer than any,
 * just enough to equal none.
 */
export function nameAt(text: string, start: number, end: number): string {
  const first = text.charCodeAt(start)
  const isUnicode = (first | 0x20) === 0x75 && text.charCodeAt(start + 1) === 0x26 /* & */
  if (isUnicode && end - start > 3) return unicodeNameAt(text, start, end)
  if (end - start > 2 * LONGEST_NAME + 2) return text.slice(start, start + LONGEST_NAME + 1)
  if (first === DOUBLE_QUOTE) return text.slice(start + 1, end - 1).replaceAll('""', '"')
  const word = text.slice(start, end)
  for (let index = start; index < end; index++) {
    // Beyond ASCII JavaScript folds what the server does not: U+212A would become a `k`.
    if (text.charCodeAt(index) > 127) return word
  }
  return word.toLowerCase()
}

/**
 * The name in the form U&"…", with the escape character of the UESCAPE behind it, if there is one.
 */
function unicodeNameAt(text: string, start: number, end: number): string {
  // Each of 63 characters may be an escape of 8, as `\+000061`.
  if (end - start > 8 * LONGEST_NAME + 4) return text.slice(start, start + LONGEST_NAME + 1)
  const sign = escapeBehind(text, end)
  const inner = text.slice(start + 3, end - 1).replaceAll('""', '"')
  let name = ''
  for (let index = 0; index < inner.length; ) {
    if (inner[index] !== sign) {
      name += inner[index++]
    } else if (inner[index + 1] === sign) {
      name += sign
      index += 2
    } else {
      const digits = inner[index + 1] === '+' ? 6 : 4
      const from = index + (digits === 6 ? 2 : 1)
      const code = Number.parseInt(inner.slice(from, from + digits), 16)
      // What is no escape the server refuses.
      name += code <= 0x10ffff ? String.fromCodePoint(code) : '\0'
      index = from + digits
    }
  }
  return name
}

function escapeBehind(text: string, end: number): string {
  const lexer = new SqlLexer(text, 'literal', end)
  if (lexer.next() !== TOKEN.word || nameAt(text, lexer.start, lexer.end) !== 'uescape') return '\\'
  if (lexer.next() !== TOKEN.string) return '\\'
  // `'!'` or E'!'; anything longer the server refuses.
  return text[lexer.end - 2] ?? '\\'
}
