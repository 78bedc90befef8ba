import { SqlLexer, TOKEN } from '@poolhouse/core/sql'

/**
 * A number for all statements that differ only in their constants, their letter case, their spaces
 * and their comments. Two others may share one by accident (1 of 2⁵³), so nothing may depend on it
 * but where a read is tried first.
 */
export function fingerprintOf(text: string): number {
  const lexer = new SqlLexer(text, 'either')
  let low = 0
  let high = 0
  for (;;) {
    const token = lexer.next()
    if (token === TOKEN.end) break
    // A parameter may stand for any of them.
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
