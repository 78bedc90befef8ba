import { GUARD_WORDS, guardWord, SPOILING_NAMES } from './guard-words.js'
import { nameAt } from './names.js'
import { settingTraits } from './setting-traits.js'
import { type Backslashes, SqlLexer, TOKEN } from './sql-lexer.js'
import {
  CHANGES_NAMING,
  CHANGES_SESSION,
  CONTROLS_TRANSACTION,
  SPOILS_SESSION,
} from './trait-flags.js'

const RUNS_UNKNOWN = CHANGES_SESSION | CHANGES_NAMING

// What the first word of a statement says, where no other word can change it.
const BY_WORD: ReadonlyMap<number, number> = new Map(
  Object.entries({
    abort: CONTROLS_TRANSACTION,
    begin: CONTROLS_TRANSACTION,
    end: CONTROLS_TRANSACTION,
    start: CONTROLS_TRANSACTION,
    call: RUNS_UNKNOWN,
    execute: RUNS_UNKNOWN,
    // Names of temporary tables mean something else then, or the search path does.
    discard: CHANGES_SESSION | CHANGES_NAMING,
    deallocate: CHANGES_SESSION,
    listen: CHANGES_SESSION,
    unlisten: CHANGES_SESSION,
    load: CHANGES_SESSION | SPOILS_SESSION,
  }).map(([word, traits]) => [guardWord(word), traits]),
)

// Names that a DO block may call by, in strings too; LOAD stands before a string.
const SPOILING_CODE = new RegExp(`${SPOILING_NAMES.join('|')}|\\bload\\s+'|\\bseed\\b`, 'i')

/** The traits that the first word of a statement gives it, with the words that follow at `at`. */
export function traitsOfCommand(
  word: number,
  text: string,
  at: number,
  backslashes: Backslashes,
): number {
  const traits = BY_WORD.get(word)
  if (traits !== undefined) return traits
  switch (GUARD_WORDS.wordOf(word)) {
    case 'set':
      return settingTraits(text, at, false, backslashes)
    case 'reset':
      return settingTraits(text, at, true, backslashes)
    case 'commit':
      // COMMIT PREPARED and ROLLBACK PREPARED are about a transaction that belongs to no session.
      return nextWord(text, new SqlLexer(text, 'literal', at)) === 'prepared'
        ? 0
        : CONTROLS_TRANSACTION
    case 'rollback':
      return rollsBackWhole(text, at) ? CONTROLS_TRANSACTION : 0
    case 'prepare': {
      const behind = new SqlLexer(text, 'literal', at)
      const isTransaction =
        nextWord(text, behind) === 'transaction' && behind.next() === TOKEN.string
      return isTransaction ? CONTROLS_TRANSACTION : CHANGES_SESSION
    }
    case 'do':
      return RUNS_UNKNOWN | (spoilsInCode(text, at, backslashes) ? SPOILS_SESSION : 0)
    default:
      return 0
  }
}

function rollsBackWhole(text: string, at: number): boolean {
  const behind = new SqlLexer(text, 'literal', at)
  let word = nextWord(text, behind)
  if (word === 'work' || word === 'transaction') word = nextWord(text, behind)
  return word !== 'to' && word !== 'prepared'
}

/**
 * Whether a DO block may leave what no reset undoes: by what stands in its code, or because its
 * language keeps variables in the session.
 */
function spoilsInCode(text: string, at: number, backslashes: Backslashes): boolean {
  const lexer = new SqlLexer(text, backslashes, at)
  for (let kind = lexer.next(); kind !== TOKEN.end && lexer.code !== 0x3b; kind = lexer.next()) {
    const { start, end } = lexer
    if (kind === TOKEN.string && SPOILING_CODE.test(text.slice(start, end))) return true
    if (kind !== TOKEN.word || nameAt(text, start, end) !== 'language') continue
    lexer.next()
    if (!/^\W*plpgsql\W*$/i.test(text.slice(lexer.start, lexer.end))) return true
  }
  return false
}

/** The next token, if it is a word, in lower case. */
function nextWord(text: string, lexer: SqlLexer): string | undefined {
  return lexer.next() === TOKEN.word ? nameAt(text, lexer.start, lexer.end) : undefined
}
