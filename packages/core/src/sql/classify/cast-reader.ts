import { nameAt } from '../names.js'
import { SIGN, SqlLexer, TOKEN, type TokenKind } from '../sql-lexer.js'
import { CAST_WORDS, WORD_IS } from './cast-words.js'
import { CATALOG_TYPES, GRAMMAR_TYPES } from './shared-types.js'

// A token as a number: the character of a sign, the number of a word, or one of these.
const START = 0
const NAME = 0x100
const QUOTED = 0x101
const VALUE = 0x102
const TYPE = 0x103

const OPEN = 0x28
const CLOSE = 0x29
const COMMA = 0x2c
const DOT = 0x2e
const BRACKET = 0x5b
const CLOSE_BRACKET = 0x5d

// What a parenthesis holds. A list may be one of columns with their types, as in
// `json_to_record($1) as r(a int)`, or a window or a query. An operand may begin behind a prefix,
// which is that of DISTINCT ON or OPERATOR.
const ANYTHING = 0
const CAST = 1
const LIST = 2
const PREFIX = 4

// Where in a list of columns the reader is.
const NO_COLUMN = 0
const BEHIND_COLUMN = 1
const BEHIND_FOREIGN = 2
// Behind PARTITION BY of a window, where a parenthesis may follow.
const BEHIND_PARTITION = 3

const word = (text: string): number => CAST_WORDS.number(text)
const [AS, BY, NOT, ZONE, ARRAY, COLLATE, RETURNING] = [
  word('as'),
  word('by'),
  word('not'),
  word('zone'),
  word('array'),
  word('collate'),
  word('returning'),
]
const [DOUBLE, ON, OPERATOR, ORDINALITY, PARTITION, PG_CATALOG, PRECISION, TIME] = [
  word('double'),
  word('on'),
  word('operator'),
  word('ordinality'),
  word('partition'),
  word('pg_catalog'),
  word('precision'),
  word('time'),
]
const TABLESAMPLE = word('tablesample')
// The sampling methods of the server, which are no functions to `StatementReader`.
const SAMPLERS: ReadonlySet<number> = new Set([word('bernoulli'), word('system')])
const BEFORE_LIST_NAME: ReadonlySet<number> = new Set([AS, CLOSE, ORDINALITY])
const BEHIND_TYPE: ReadonlySet<number> = new Set([COMMA, CLOSE, DOT, OPEN, BRACKET, ARRAY, COLLATE])

/**
 * Reads a query and finds out whether all types that it names are PostgreSQL's own: those of casts
 * in every notation, of strings with a type, and of lists of columns. A type of the database may be
 * a domain, whose CHECK calls any function. Relies on `StatementReader` for everything else.
 */
export class CastReader {
  readonly #text: string
  readonly #lexer: SqlLexer
  #kind: TokenKind = TOKEN.end
  // The current token, and the two before it.
  #token = START
  #previous = START
  #older = START
  // Of the previous token.
  #previousStart = 0
  #previousEnd = 0
  // Whether an operand ends with the token before, and with the one before that.
  #ended = false
  #endedBefore = false
  #holds: number = ANYTHING
  readonly #outer: number[] = []
  #column = NO_COLUMN

  /** Reads nothing before `read`. */
  constructor(text: string) {
    this.#text = text
    this.#lexer = new SqlLexer(text, 'either')
  }

  /**
   * Whether the text is a query, each of its types is the server's own, and every version of
   * PostgreSQL reads it in one way.
   */
  read(): boolean {
    this.#next()
    while (this.#token === OPEN) {
      this.#open()
      this.#next()
    }
    if (!this.#is(this.#token, WORD_IS.queryVerb)) return false
    for (; this.#kind !== TOKEN.end; this.#next()) {
      if (!this.#mayFollow()) return false
    }
    return this.#lexer.trouble === undefined && !this.#lexer.junk
  }

  /** Whether nothing is against the current token. Moves to the last one of a type. */
  #mayFollow(): boolean {
    if (this.#previous === TYPE && this.#token === DOT) return false
    if (this.#previous === TABLESAMPLE && !SAMPLERS.has(this.#token)) return false
    if (this.#column !== NO_COLUMN && !this.#isColumn()) return false
    switch (this.#kind) {
      case TOKEN.string:
        return this.#isPlainString()
      case TOKEN.word:
        return this.#word()
      case TOKEN.quoted:
        this.#beginColumn()
        return true
      case TOKEN.sign:
        return this.#sign()
      default:
        return true
    }
  }

  #word(): boolean {
    const word = this.#token
    if (this.#previous === DOT) return true
    if (word === RETURNING || (word === AS && this.#holds === CAST)) {
      this.#next()
      return this.#type()
    }
    if (this.#previous === OPEN && this.#is(word, WORD_IS.reserved)) this.#holds &= ~LIST
    this.#beginColumn()
    return true
  }

  #sign(): boolean {
    switch (this.#token) {
      case SIGN.cast:
        this.#next()
        return this.#type()
      case OPEN:
        return this.#open()
      case CLOSE:
        if (this.#holds === PREFIX) this.#token = START
        this.#holds = this.#outer.pop() ?? ANYTHING
        return true
      default:
        return true
    }
  }

  #open(): boolean {
    const before = this.#previous
    const isName = before === NAME || before === QUOTED || before > TYPE
    const isList = before === AS || (isName && BEFORE_LIST_NAME.has(this.#older))
    const isCall = this.#is(before, WORD_IS.called) && !this.#endedBefore
    if (isCall || this.#is(before, WORD_IS.refused)) return false
    this.#outer.push(this.#holds)
    if (this.#is(before, WORD_IS.cast)) this.#holds = CAST
    else if (before === ON || before === OPERATOR) this.#holds = PREFIX
    else this.#holds = isList ? LIST : ANYTHING
    return true
  }

  /** The current token is a name, and may be the first of an element of a list. */
  #beginColumn(): void {
    const isFirst = this.#previous === OPEN || this.#previous === COMMA
    if (isFirst && this.#holds === LIST) this.#column = BEHIND_COLUMN
  }

  /**
   * Whether the current token may follow a column of a list: a type of the server, or something
   * that shows that this is none.
   */
  #isColumn(): boolean {
    const column = this.#column
    this.#column = NO_COLUMN
    if (column !== BEHIND_COLUMN) {
      const isWindow = column === BEHIND_PARTITION && this.#token === OPEN
      return isWindow || !BEHIND_TYPE.has(this.#token)
    }
    const isWord = this.#kind === TOKEN.word && !this.#is(this.#token, WORD_IS.reserved)
    if (!isWord && this.#kind !== TOKEN.quoted) return true
    // Only these are certain to be a type.
    const isType = !isWord || this.#token === PG_CATALOG || this.#token === DOUBLE
    if (isType || this.#isType(false)) return this.#type()
    const isPartition = this.#previous === PARTITION && this.#token === BY
    this.#column = isPartition ? BEHIND_PARTITION : BEHIND_FOREIGN
    return true
  }

  /** Whether the current token begins a type of the server. Moves to the last part of its name. */
  #type(): boolean {
    if (this.#kind !== TOKEN.word && this.#kind !== TOKEN.quoted) return false
    const hasSchema = this.#token === PG_CATALOG
    if (hasSchema) {
      this.#next()
      if (this.#token !== DOT) return false
      this.#next()
    }
    if (!hasSchema && this.#token === DOUBLE) {
      this.#next()
      if (this.#token !== PRECISION) return false
    } else if (!this.#isType(hasSchema)) {
      return false
    }
    this.#token = TYPE
    return true
  }

  #isType(hasSchema: boolean): boolean {
    const name = nameAt(this.#text, this.#lexer.start, this.#lexer.end)
    if (CATALOG_TYPES.has(name)) return true
    return !hasSchema && this.#kind === TOKEN.word && GRAMMAR_TYPES.has(name)
  }

  /** Whether the string is not the value of a type that is not the server's: `app.kind 'a'`. */
  #isPlainString(): boolean {
    const before = this.#previous
    if (before < NAME) return before !== CLOSE && before !== CLOSE_BRACKET
    if (this.#older === DOT) return false
    if (before === ZONE) return this.#older === TIME
    if (this.#is(before, WORD_IS.beforeString)) return true
    if (this.#is(before, WORD_IS.operator)) return this.#endedBefore
    if (before !== NAME && before !== TIME) return false
    const name = nameAt(this.#text, this.#previousStart, this.#previousEnd)
    return CATALOG_TYPES.has(name) || GRAMMAR_TYPES.has(name)
  }

  #next(): void {
    this.#older = this.#previous
    this.#previous = this.#token
    this.#endedBefore = this.#ended
    this.#ended = this.#endsOperand()
    const lexer = this.#lexer
    this.#previousStart = lexer.start
    this.#previousEnd = lexer.end
    this.#kind = lexer.next()
    switch (this.#kind) {
      case TOKEN.word:
        this.#token = CAST_WORDS.at(this.#text, lexer.start, lexer.end, lexer.hash) || NAME
        return
      case TOKEN.quoted:
        this.#token = QUOTED
        return
      case TOKEN.sign:
        this.#token = lexer.code
        return
      default:
        this.#token = VALUE
    }
  }

  #endsOperand(): boolean {
    const token = this.#token
    if (token === NOT) return this.#ended
    if (token < NAME) return token === CLOSE || token === CLOSE_BRACKET
    return !this.#is(token, WORD_IS.opener)
  }

  #is(token: number, property: number): boolean {
    return token > TYPE && (CAST_WORDS.flagsOf(token) & property) !== 0
  }
}
