import { traitsOfCommand } from './command-traits.js'
import { GUARD_WORDS, guardWord, MEANS } from './guard-words.js'
import { nameAt } from './names.js'
import { takesSessionLock } from './session-locks.js'
import { configTraits } from './setting-traits.js'
import { type Backslashes, SqlLexer, TOKEN } from './sql-lexer.js'
import { SqlStatements } from './sql-statements.js'
import { TextMemory } from './text-memory.js'
import {
  CHANGES_NAMING,
  CHANGES_SESSION,
  COPIES,
  LOCKS_SESSION,
  READ_IN_TWO_WAYS,
  SPOILS_SESSION,
} from './trait-flags.js'

const AS = guardWord('as')
const COPY = guardWord('copy')
const CREATE = guardWord('create')
const DECLARE = guardWord('declare')
const EXECUTE = guardWord('execute')
const EXPLAIN = guardWord('explain')
const FROM = guardWord('from')
const HOLD = guardWord('hold')
const STDIN = guardWord('stdin')
const STDOUT = guardWord('stdout')
const TO = guardWord('to')
const UPDATE = guardWord('update')
const TEMPORARY: ReadonlySet<number> = new Set(['temp', 'temporary'].map(guardWord))
const BEFORE_TEMPORARY: ReadonlySet<number> = new Set(
  ['create', 'replace', 'local', 'global', 'into'].map(guardWord),
)
// The longest name that means something to us, with its quotes.
const LONGEST_QUOTED = 66

const LONGEST_CACHED_TEXT = 8_192
const traits = new TextMemory(LONGEST_CACHED_TEXT, (text) => scan(text, 'literal') | readings(text))

/**
 * What a statement does to its session, as flags. It looks at names and key words outside strings
 * and comments. When in doubt it says that the session changes, which costs one reset and nothing
 * else. Linear in the length of the text.
 *
 * `escapes` tells that the session has `standard_conforming_strings` off. It matters only for texts
 * with a backslash.
 */
export function traitsOf(text: string, escapes = false): number {
  if (escapes && text.includes('\\')) return scan(text, 'escape') | readings(text)
  return traits.of(text)
}

function readings(text: string): number {
  if (!text.includes('\\')) return 0
  const lexer = new SqlLexer(text, 'either')
  while (lexer.next() !== TOKEN.end);
  return lexer.trouble === undefined ? 0 : READ_IN_TWO_WAYS
}

/** As `traitsOf`, in one reading and without keeping the answer. */
export function scan(text: string, backslashes: Backslashes): number {
  const statements = new SqlStatements(text, backslashes)
  const traits = scanStatements(text, statements, backslashes)
  // A text that breaks off in the body of a routine is refused, if it was a body.
  if (!statements.inBody) return traits
  return traits | scanStatements(text, new SqlStatements(text, backslashes, false), backslashes)
}

function scanStatements(text: string, statements: SqlStatements, backslashes: Backslashes): number {
  const { lexer } = statements
  let traits = 0
  let meanings = 0
  let first = 0
  let updates = false
  for (let kind = statements.next(); kind !== TOKEN.end; kind = statements.next()) {
    const { word } = statements
    if (statements.isFirst) {
      first = word
      updates = word === UPDATE
      if (word !== 0) traits |= traitsOfCommand(word, text, lexer.end, backslashes)
      continue
    }
    let means = 0
    if (kind === TOKEN.word) {
      if (word === 0) {
        if (isTemporarySchema(text, lexer.start)) means = MEANS.temporary
      } else {
        means = GUARD_WORDS.flagsOf(word)
        if (word === UPDATE) updates = true
        else traits |= traitsOfWord(word, first, statements)
      }
    } else if (kind === TOKEN.quoted) {
      means = meansOfQuoted(text, lexer)
    }
    if (means === 0) continue
    meanings |= means
    if ((means & MEANS.settings) !== 0 && updates) traits |= CHANGES_SESSION | CHANGES_NAMING
    if ((means & MEANS.setConfig) !== 0) traits |= configTraits(text, lexer.end, backslashes)
  }
  if (lexer.trouble !== undefined) traits |= CHANGES_SESSION
  if ((meanings & MEANS.change) !== 0) traits |= CHANGES_SESSION
  if ((meanings & MEANS.spoil) !== 0) traits |= CHANGES_SESSION | SPOILS_SESSION
  if ((meanings & MEANS.temporary) !== 0) traits |= CHANGES_SESSION | CHANGES_NAMING
  if ((meanings & MEANS.lock) !== 0 && takesSessionLock(text, backslashes)) traits |= LOCKS_SESSION
  return traits
}

/** Of a key word behind the first word of its statement. */
function traitsOfWord(word: number, first: number, { previous, depth }: SqlStatements): number {
  switch (word) {
    case STDIN:
      return first === COPY && previous === FROM && depth === 0 ? COPIES : 0
    case STDOUT:
      return first === COPY && previous === TO && depth === 0 ? COPIES : 0
    case HOLD:
      return first === DECLARE ? CHANGES_SESSION : 0
    case EXECUTE: {
      // Not EXECUTE FUNCTION of a trigger, nor GRANT EXECUTE.
      const runs = first === EXPLAIN || (first === CREATE && previous === AS)
      return runs ? CHANGES_SESSION | CHANGES_NAMING : 0
    }
    default:
      return TEMPORARY.has(word) && BEFORE_TEMPORARY.has(previous)
        ? CHANGES_SESSION | CHANGES_NAMING
        : 0
  }
}

function meansOfQuoted(text: string, { start, end }: SqlLexer): number {
  const isUnicode = text.charCodeAt(start) !== 0x22
  if (!isUnicode && end - start > LONGEST_QUOTED) return 0
  const name = nameAt(text, start, end)
  if (isTemporaryName(name)) return MEANS.temporary
  return GUARD_WORDS.flagsOf(GUARD_WORDS.find(name))
}

/**
 * Whether a word is pg_temp_3 or the like. Looks at its beginning first, because almost none is.
 */
function isTemporarySchema(text: string, start: number): boolean {
  if (text.charCodeAt(start + 2) !== 0x5f || (text.charCodeAt(start) | 0x20) !== 0x70) return false
  return isTemporaryName(text.slice(start, start + 16).toLowerCase())
}

function isTemporaryName(name: string): boolean {
  return name.startsWith('pg_temp_') || name.startsWith('pg_toast_temp')
}
