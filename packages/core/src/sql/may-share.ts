import { SqlLexer, TOKEN } from './sql-lexer.js'
import { TextMemory } from './text-memory.js'
import { WordTable } from './word-table.js'

const LONGEST_SHARED = 16_384

const SELECT = 1
const REFUSED = 2
const WORDS = new WordTable([
  ['select', SELECT],
  ['for into insert update delete merge with', REFUSED],
])
const SIGNS: ReadonlySet<string> = new Set([',', '*', '=', '<>', '!=', '<', '>', '<=', '>='])

const answers = new TextMemory(LONGEST_SHARED, read)

/**
 * Whether a statement may share its connection with others that are sent before its answer has
 * come. True only for one statement that reads, and whose functions, operators and casts are all
 * PostgreSQL's own and known to leave the session alone, whatever `standard_conforming_strings` is.
 * In doubt it is false, which costs a connection of its own and nothing else.
 *
 * A text does not show what views, row security, columns named like functions, and functions or
 * operators of the database with a name of PostgreSQL's own do. Nor does it show how long the
 * statement takes.
 *
 * Linear in the length of the text; texts of more than 16,384 characters never share. An answer is
 * remembered, and then costs one look-up.
 */
export function mayShare(text: string): boolean {
  return text.length <= LONGEST_SHARED && answers.of(text)
}

function read(text: string): boolean {
  const lexer = new SqlLexer(text, 'either')
  if (lexer.next() !== TOKEN.word || !is(text, lexer, SELECT)) return false
  for (let kind = lexer.next(); kind !== TOKEN.end; kind = lexer.next()) {
    const isShared =
      kind === TOKEN.value ||
      (kind === TOKEN.word && !is(text, lexer, REFUSED) && !isOfServer(text, lexer.start)) ||
      (kind === TOKEN.sign && SIGNS.has(text.slice(lexer.start, lexer.end)))
    if (!isShared) return false
  }
  return lexer.trouble === undefined && !lexer.junk
}

function is(text: string, { start, end, hash }: SqlLexer, flag: number): boolean {
  return WORDS.flagsOf(WORDS.at(text, start, end, hash)) === flag
}

function isOfServer(text: string, start: number): boolean {
  return text.slice(start, start + 3).toLowerCase() === 'pg_'
}
