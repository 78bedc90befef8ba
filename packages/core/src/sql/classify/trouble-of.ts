import type { SqlLexer } from '../sql-lexer.js'

/**
 * Why the text cannot be read with certainty; undefined if it can. `lexer` has read the text to its
 * end. The server stops reading at a zero byte.
 */
export function troubleOf(text: string, lexer: SqlLexer): string | undefined {
  return text.includes('\0') ? 'a zero byte, where the server stops reading' : lexer.trouble
}
