import { nameAt } from './names.js'
import { type Backslashes, SqlLexer, TOKEN, type TokenKind } from './sql-lexer.js'
import { CHANGES_NAMING, CHANGES_SESSION, SPOILS_SESSION } from './trait-flags.js'

// What PostgreSQL asks while it parses a text, so that the same text may mean something else
// afterwards: which names are found and who asks, and what constants of dates, times, money, arrays
// and XML come to. `schema`, `all` and `time` are words of SET and RESET.
const NAMING: ReadonlySet<string> = new Set([
  'all',
  'array_nulls',
  'backslash_quote',
  'datestyle',
  'intervalstyle',
  'lc_monetary',
  'role',
  'schema',
  'search_path',
  'session_authorization',
  'standard_conforming_strings',
  'time',
  'timezone',
  'timezone_abbreviations',
  'transform_null_equals',
  'xml',
  'xmloption',
])
// SET TRANSACTION and SET CONSTRAINTS end with the transaction.
const OF_TRANSACTION: ReadonlySet<string> = new Set(['transaction', 'constraints'])
const SCOPES: ReadonlySet<string> = new Set(['local', 'session'])
const DOT = 0x2e
const EQUALS = 0x3d
const SEMICOLON = 0x3b
const TEMPORARY = /pg_(?:toast_)?temp|\\/i

/** Whether the meaning of a text may depend on a setting of this name. */
export function isNamingSetting(name: string): boolean {
  return NAMING.has(name.toLowerCase())
}

/** The traits of SET, or of RESET, whose words begin at `at`. */
export function settingTraits(
  text: string,
  at: number,
  resets: boolean,
  backslashes: Backslashes,
): number {
  const reader = new SettingReader(text, at, backslashes)
  let name = reader.name()
  let isLocal = false
  if (!resets && name !== undefined && SCOPES.has(name) && reader.isAlone()) {
    // `SET SESSION AUTHORIZATION` and `SET SESSION CHARACTERISTICS` begin with the same word.
    isLocal = name === 'local'
    name = reader.name()
  }
  if (name === undefined) return CHANGES_SESSION | CHANGES_NAMING
  if (!resets && OF_TRANSACTION.has(name) && reader.isAlone()) return 0
  const isUser = (name === 'session' && reader.isAlone()) || name === 'authorization'
  let traits = isUser || NAMING.has(name) ? CHANGES_NAMING : 0
  // Neither the end of the transaction nor RESET ALL brings the seed back.
  if (name === 'seed') return traits | CHANGES_SESSION | SPOILS_SESSION
  if (!isLocal) return traits | CHANGES_SESSION
  // What is made while pg_temp is the first schema of the path is temporary, and its own text does
  // not say so.
  if ((traits & CHANGES_NAMING) !== 0 && reader.mentions(TEMPORARY)) traits |= CHANGES_SESSION
  return traits
}

/**
 * The traits of a call of set_config() whose arguments stand at `at`: it depends on the setting, if
 * that is a plain string.
 */
export function configTraits(text: string, at: number, backslashes: Backslashes): number {
  const lexer = new SqlLexer(text, backslashes, at)
  const isCall = lexer.next() === TOKEN.sign && lexer.code === 0x28
  if (isCall && lexer.next() === TOKEN.string && text[lexer.start] === "'") {
    const name = text.slice(lexer.start + 1, lexer.end - 1).toLowerCase()
    const isPlain = /^[\w.]+$/.test(name)
    const isWhole = lexer.next() === TOKEN.sign && lexer.code === 0x2c
    if (isPlain && isWhole) {
      if (name === 'seed') return CHANGES_SESSION | SPOILS_SESSION
      return CHANGES_SESSION | (NAMING.has(name) ? CHANGES_NAMING : 0)
    }
  }
  return CHANGES_SESSION | CHANGES_NAMING
}

class SettingReader {
  readonly #text: string
  readonly #backslashes: Backslashes
  readonly #lexer: SqlLexer

  constructor(text: string, at: number, backslashes: Backslashes) {
    this.#text = text
    this.#backslashes = backslashes
    this.#lexer = new SqlLexer(text, backslashes, at)
  }

  /** The next token as a name; undefined if it is none. */
  name(): string | undefined {
    const kind = this.#lexer.next()
    if (kind !== TOKEN.word && kind !== TOKEN.quoted) return undefined
    return nameAt(this.#text, this.#lexer.start, this.#lexer.end).toLowerCase()
  }

  /**
   * Whether the name that was read is a whole word of SET, and not a setting or the first part of
   * its name: `local.x = 1`.
   */
  isAlone(): boolean {
    const next = new SqlLexer(this.#text, this.#backslashes, this.#lexer.end)
    const kind = next.next()
    if (kind === TOKEN.sign) return next.code !== DOT && next.code !== EQUALS
    return !(kind === TOKEN.word && nameAt(this.#text, next.start, next.end) === 'to')
  }

  /** Whether the rest of the statement has this in a string or a name. */
  mentions(pattern: RegExp): boolean {
    const lexer = this.#lexer
    for (let kind: TokenKind = lexer.next(); kind !== TOKEN.end; kind = lexer.next()) {
      if (kind === TOKEN.sign && lexer.code === SEMICOLON) return false
      if (pattern.test(this.#text.slice(lexer.start, lexer.end))) return true
    }
    return false
  }
}
