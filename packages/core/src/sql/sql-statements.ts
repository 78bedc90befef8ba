import { GUARD_WORDS, guardWord } from './guard-words.js'
import { type Backslashes, SqlLexer, TOKEN, type TokenKind } from './sql-lexer.js'

const ATOMIC = guardWord('atomic')
const BEGIN = guardWord('begin')
const CREATE = guardWord('create')
const END = guardWord('end')
const FUNCTION = guardWord('function')
const OR = guardWord('or')
const PROCEDURE = guardWord('procedure')
const REPLACE = guardWord('replace')
const RULE = guardWord('rule')

const OPEN = 0x28
const CLOSE = 0x29
const SEMICOLON = 0x3b

// How far the beginning of a statement has been read.
const START = 0
const AFTER_CREATE = 1
const AFTER_OR = 2
const AFTER_REPLACE = 3
const IN_ROUTINE = 4
const IN_RULE = 5
const IN_OTHER = 6

/**
 * Reads a text token by token and knows where its statements end: at semicolons, but not at those
 * in the body of a routine in standard SQL (`BEGIN ATOMIC … END`) nor at those between the
 * parentheses of CREATE RULE. No other statement of PostgreSQL 14 to 18 holds one.
 */
export class SqlStatements {
  /** Where the current token stands. */
  readonly lexer: SqlLexer
  /** Of a word that the guards know its number, else 0. */
  word = 0
  /** Of the token before the current one, in the same statement, what `word` was. */
  previous = 0
  /** Whether the current token is the first one of a statement. */
  isFirst = false
  /** Whether the current token is the semicolon that ends a statement. */
  isEnd = false
  /** How many parentheses of the statement are open behind the current token. */
  depth = 0
  readonly #text: string
  readonly #readsBodies: boolean
  #heading = START
  #bodies = 0

  /**
   * Begins at the start of the text. `readsBodies` false takes every semicolon of a body for the
   * end of a statement.
   */
  constructor(text: string, backslashes: Backslashes = 'literal', readsBodies = true) {
    this.#text = text
    this.#readsBodies = readsBodies
    this.lexer = new SqlLexer(text, backslashes)
  }

  /** Whether the text has ended inside the body of a routine, which no server accepts. */
  get inBody(): boolean {
    return this.#bodies > 0
  }

  /** Moves to the next token and returns its kind. */
  next(): TokenKind {
    const { lexer } = this
    const kind = lexer.next()
    this.previous = this.isEnd ? 0 : this.word
    this.isEnd = false
    this.isFirst = false
    this.word =
      kind === TOKEN.word ? GUARD_WORDS.at(this.#text, lexer.start, lexer.end, lexer.hash) : 0
    if (kind === TOKEN.sign && this.#sign(lexer.code)) return kind
    if (this.#heading === IN_OTHER) return kind
    if (kind !== TOKEN.end) this.#advance()
    return kind
  }

  /** Whether it was a semicolon that ends a statement, here or in a body. */
  #sign(code: number): boolean {
    if (code === OPEN) {
      this.depth++
    } else if (code === CLOSE) {
      this.depth--
    } else if (code === SEMICOLON && (this.#heading !== IN_RULE || this.depth <= 0)) {
      this.isEnd = this.#bodies === 0
      this.#heading = START
      this.depth = 0
      return true
    }
    return false
  }

  #advance(): void {
    const { word } = this
    switch (this.#heading) {
      case START:
        this.#begin(word)
        return
      case AFTER_CREATE:
      case AFTER_REPLACE:
        if (word === FUNCTION || word === PROCEDURE) this.#heading = IN_ROUTINE
        else if (word === RULE) this.#heading = IN_RULE
        else if (word === OR && this.#heading === AFTER_CREATE) this.#heading = AFTER_OR
        else this.#heading = IN_OTHER
        return
      case AFTER_OR:
        this.#heading = word === REPLACE ? AFTER_REPLACE : IN_OTHER
        return
      case IN_ROUTINE:
        if (word === ATOMIC && this.previous === BEGIN && this.depth === 0 && this.#readsBodies) {
          this.#bodies++
          this.#heading = START
        }
    }
  }

  #begin(word: number): void {
    // Each statement of a body ends with a semicolon, so that the END of a CASE never stands at the
    // beginning of one.
    if (this.#bodies > 0 && word === END) {
      this.#bodies--
      this.#heading = IN_ROUTINE
      return
    }
    this.isFirst = this.#bodies === 0
    this.#heading = word === CREATE ? AFTER_CREATE : IN_OTHER
  }
}
