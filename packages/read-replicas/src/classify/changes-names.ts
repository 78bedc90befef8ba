import { SqlLexer, TOKEN, WordTable } from '@poolhouse/core/sql'

const VERB = 1
const OBJECT = 2
const BODY = 4
const WORDS = new WordTable([
  ['create alter', VERB],
  ['function procedure routine aggregate sequence schema extension', OBJECT],
  ['do', BODY],
])
// Almost every text is told by this alone.
const MAY = /\b(?:create|alter)\b/i

/**
 * Whether the statement may give a function or a sequence a name. What it calls may do so unseen.
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
    // What the body does stands in a string.
    if (flags === BODY && isFirst) return true
    seen |= flags
    if ((seen & VERB) !== 0 && (seen & OBJECT) !== 0) return true
  }
}
