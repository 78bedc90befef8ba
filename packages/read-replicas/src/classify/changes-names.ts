import { SqlLexer, TOKEN, WordTable } from '@poolhouse/core/sql'

const VERB = 1
const OBJECT = 2
const BODY = 4
const WORDS = new WordTable([
  ['create alter', VERB],
  ['function procedure routine aggregate sequence schema extension', OBJECT],
  ['do', BODY],
])
// Decides almost every text without the lexer.
const MAY = /\b(?:create|alter)\b/i

/**
 * Whether the statement may name or rename a function or a sequence. Functions that it calls may do
 * so unseen.
 */
export function changesNames(text: string): boolean {
  if (!MAY.test(text)) return false
  const lexer = new SqlLexer(text, 'either')
  let seen = 0
  for (let isFirst = true; ; isFirst = false) {
    const kind = lexer.next()
    if (kind === TOKEN.end) return false
    if (kind !== TOKEN.word) continue
    const flags = WORDS.flagsOf(WORDS.at(text, lexer.start, lexer.end, lexer.hash))
    // The body of DO is a string, so it may do anything.
    if (flags === BODY && isFirst) return true
    seen |= flags
    if ((seen & VERB) !== 0 && (seen & OBJECT) !== 0) return true
  }
}
