import { GUARD_WORDS, MEANS } from './guard-words.js'
import { nameAt } from './names.js'
import { type Backslashes, SIGN, SqlLexer, TOKEN, type TokenKind } from './sql-lexer.js'
import { SqlStatements } from './sql-statements.js'

// 25 characters, each of which may be an escape of 8.
const LONGEST_SPELLING = 600

const OPEN = 0x28
const CLOSE = 0x29
const COMMA = 0x2c
const DOT = 0x2e
const CLOSE_BRACKET = 0x5d

// Statements that run none of the calls in their text. EXPLAIN ANALYZE and CREATE TABLE … AS are
// told by a later word.
const RUN_NOTHING: ReadonlySet<string> = new Set(
  'alter analyse analyze comment create drop explain grant prepare revoke security vacuum'.split(
    ' ',
  ),
)
// Behind these words stands the name of a relation or of a function that is not called, with or
// without a parenthesis behind it.
const BEFORE_OTHER_NAMES: ReadonlySet<string> = new Set(
  'as copy execute function into procedure recursive table with'.split(' '),
)

// What a token ends that could be taken for the first argument of `(7::bigint).pg_advisory_lock`.
type Before = 'value' | 'name' | 'quoted' | 'comma' | 'cast' | 'other' | 'start'

/**
 * Whether the text calls a function that takes or gives back an advisory lock of the session: by
 * any spelling of its name, with its schema, and as an attribute (`(7::bigint).pg_advisory_lock`,
 * and `x.pg_advisory_lock` of a function `x` in FROM). Tables, columns and aliases of these names
 * are no calls.
 */
export function takesSessionLock(text: string, backslashes: Backslashes): boolean {
  const statements = new SqlStatements(text, backslashes)
  const finder = new CallFinder(text, backslashes, statements.lexer)
  for (let kind = statements.next(); kind !== TOKEN.end; kind = statements.next()) {
    if (statements.isFirst || statements.isEnd) finder.begin()
    if (finder.isCall(kind)) return true
  }
  return false
}

class CallFinder {
  readonly #text: string
  readonly #backslashes: Backslashes
  readonly #lexer: SqlLexer
  #before: Before = 'start'
  #beforeWord = ''
  // What stood before the first part of a name with dots.
  #beforeChain: Before = 'start'
  #beforeChainWord = ''
  #isPart = false
  // The chain begins with a value: `(x).a`, `$1.a`, `b[1].a`.
  #ofValue = false
  // The name before the dot, where that is one of two parts only.
  #ofName: string | undefined
  #lastName = ''
  #parts = 0
  #first = ''
  #makesTable = false
  #runs = true
  // What a function in FROM may be called, found when it is first asked for.
  #functions: ReadonlySet<string> | undefined
  // Names and key words of the statement so far.
  #count = 0

  constructor(text: string, backslashes: Backslashes, lexer: SqlLexer) {
    this.#text = text
    this.#backslashes = backslashes
    this.#lexer = lexer
  }

  /** A new statement begins. */
  begin(): void {
    this.#before = 'start'
    this.#beforeWord = ''
    this.#isPart = false
    this.#first = ''
    this.#makesTable = false
    this.#count = 0
    this.#runs = true
  }

  /** Whether the current token is the name of such a function in a call. */
  isCall(kind: TokenKind): boolean {
    if (kind === TOKEN.word || kind === TOKEN.quoted) return this.#name(kind)
    const { code } = this.#lexer
    if (kind === TOKEN.sign && code === DOT && this.#before !== 'other') {
      if (!this.#isPart) this.#ofValue = this.#before === 'value'
      this.#isPart = true
      return false
    }
    this.#isPart = false
    this.#ofValue = false
    this.#before = beforeOf(kind, code)
    this.#beforeWord = ''
    return false
  }

  #name(kind: TokenKind): boolean {
    const { start, end } = this.#lexer
    const isWord = kind === TOKEN.word
    const name = end - start > LONGEST_SPELLING ? '' : nameAt(this.#text, start, end)
    if (isWord) this.#keyWord(name)
    if (!this.#isPart) {
      this.#beforeChain = this.#before
      this.#beforeChainWord = this.#beforeWord
      this.#ofValue = false
      this.#parts = 0
    }
    this.#parts++
    this.#ofName = this.#parts === 2 ? this.#lastName : undefined
    this.#lastName = name
    const ofValue = this.#isPart && this.#ofValue
    this.#before = isWord ? 'name' : 'quoted'
    this.#beforeWord = isWord ? name : ''
    this.#isPart = false
    if (!this.#runs) return false
    if ((GUARD_WORDS.flagsOf(GUARD_WORDS.find(name)) & MEANS.lock) === 0) return false
    if (ofValue) return true
    return this.#isCalled()
  }

  /** Follows whether the statement runs the calls in its text. */
  #keyWord(word: string): void {
    this.#count++
    if (this.#count === 1) {
      this.#first = word
      this.#runs = !RUN_NOTHING.has(word)
    } else if (!this.#runs && this.#first === 'explain') {
      this.#runs = word === 'analyze' || word === 'analyse'
    } else if (!this.#runs && this.#first === 'create') {
      // `CREATE UNLOGGED TABLE t AS …`, `CREATE MATERIALIZED VIEW v AS …`
      if (this.#count < 5 && (word === 'table' || word === 'materialized')) this.#makesTable = true
      if (word === 'as') this.#runs = this.#makesTable
    }
  }

  /** Whether the name before the current place is that of a function that is called. */
  #isCalled(): boolean {
    const next = new SqlLexer(this.#text, this.#backslashes, this.#lexer.end)
    if (next.next() === TOKEN.word && this.#isUescape(next)) {
      // U&"…" UESCAPE '!'
      next.next()
      next.next()
    }
    if (!isSign(next, OPEN)) return this.#ofName !== undefined && this.#isOfFunction(this.#ofName)
    switch (this.#beforeChain) {
      case 'quoted':
      case 'cast':
        // An alias with names of columns, and a type.
        return false
      case 'name':
        return !BEFORE_OTHER_NAMES.has(this.#beforeChainWord)
      case 'comma':
        return !this.#isQueryName(next)
      default:
        return true
    }
  }

  /**
   * Whether a function stands in FROM under this name: then `name.pg_advisory_lock` calls the lock
   * function on what it returns, as long as that is no row. Seen on PostgreSQL 14 and 18.
   */
  #isOfFunction(name: string): boolean {
    this.#functions ??= functionNames(this.#text, this.#backslashes)
    return this.#functions.has(name)
  }

  #isUescape({ start, end }: SqlLexer): boolean {
    return this.#text[this.#lexer.start] !== '"' && nameAt(this.#text, start, end) === 'uescape'
  }

  /** Whether names of columns and `AS (` follow, as in a WITH list. */
  #isQueryName(columns: SqlLexer): boolean {
    let kind = columns.next()
    while (kind === TOKEN.word || kind === TOKEN.quoted || isSign(columns, COMMA)) {
      kind = columns.next()
    }
    if (!isSign(columns, CLOSE) || columns.next() !== TOKEN.word) return false
    if (nameAt(this.#text, columns.start, columns.end) !== 'as') return false
    kind = columns.next()
    return isSign(columns, OPEN) || kind === TOKEN.word
  }
}

/**
 * Names behind which a parenthesis opens, or that stand behind a closed one: `f(…)`, `… ) AS f`.
 */
function functionNames(text: string, backslashes: Backslashes): ReadonlySet<string> {
  const names = new Set<string>()
  const lexer = new SqlLexer(text, backslashes)
  let wasClosed = false
  let last = ''
  for (let kind = lexer.next(); kind !== TOKEN.end; kind = lexer.next()) {
    if (kind === TOKEN.word || kind === TOKEN.quoted) {
      last = nameAt(text, lexer.start, lexer.end)
      if (wasClosed) names.add(last)
      if (kind === TOKEN.quoted || last !== 'as') wasClosed = false
    } else {
      if (last !== '' && isSign(lexer, OPEN)) names.add(last)
      last = ''
      wasClosed = isSign(lexer, CLOSE)
    }
  }
  return names
}

// A function, because control flow analysis would take the code for unchanged across `next()`.
function isSign({ code }: SqlLexer, sign: number): boolean {
  return code === sign
}

function beforeOf(kind: TokenKind, code: number): Before {
  if (kind === TOKEN.value || kind === TOKEN.string) return 'value'
  if (kind !== TOKEN.sign) return 'other'
  if (code === CLOSE || code === CLOSE_BRACKET) return 'value'
  if (code === COMMA) return 'comma'
  return code === SIGN.cast ? 'cast' : 'other'
}
