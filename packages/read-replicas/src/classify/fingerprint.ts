import { SqlLexer, TOKEN } from '@poolhouse/core/sql'

/**
 * The same number for all statements that differ only in constants, letter case, spaces and
 * comments. Other statements may share it by accident (1 in 2⁵³), so it may decide only where a
 * read is tried first.
 */
export function fingerprintOf(text: string): number {
  const lexer = new SqlLexer(text, 'either')
  let low = 0
  let high = 0
  for (;;) {
    const token = lexer.next()
    if (token === TOKEN.end) break
    // A parameter may stand for any constant.
    const kind = token === TOKEN.string ? TOKEN.value : token
    low = Math.imul(low ^ kind, 0x01000193)
    high = Math.imul(high, 31) + kind
    if (kind === TOKEN.value) continue
    for (let index = lexer.start; index < lexer.end; index++) {
      const code = text.charCodeAt(index)
      const folded = kind === TOKEN.word && code >= 0x41 && code <= 0x5a ? code | 0x20 : code
      low = Math.imul(low ^ folded, 0x01000193)
      high = Math.imul(high, 31) + folded
    }
  }
  return (high >>> 11) * 0x1_0000_0000 + (low >>> 0)
}
