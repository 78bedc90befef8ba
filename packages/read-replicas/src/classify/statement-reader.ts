import { nameAt, SIGN, SqlLexer, TOKEN, type TokenKind } from '@poolhouse/core/sql'
import type { Classification, DecidingToken } from './classification.js'
import type { FunctionRules } from './function-rules.js'
import { hazardOfColumn, hazardOfRelation, hazardOfSource } from './hazards.js'
import { IS, KEYWORDS, keyword, keywordIs } from './keywords.js'
import { isKnownOperator } from './known-operators.js'
import type { OwnNames } from './own-names.js'

const LONGEST_SHOWN = 40

// What stood before, as one number: a sign by its character, a keyword by its number, and these.
const START = 0
const NAME = 0x100
const OTHER = 0x101

const OPEN = 0x28
const CLOSE = 0x29
const COMMA = 0x2c
const DOT = 0x2e
const SEMICOLON = 0x3b
const QUOTE = 0x22
const BACKTICK = 0x60

const AS = keyword('as')
const BERNOULLI = keyword('bernoulli')
const BY = keyword('by')
const COPY = keyword('copy')
const CUBE = keyword('cube')
const EXPLAIN = keyword('explain')
const FILTER = keyword('filter')
const FOR = keyword('for')
const FROM = keyword('from')
const GROUP = keyword('group')
const GROUPING = keyword('grouping')
const INTO = keyword('into')
const JOIN = keyword('join')
const MATERIALIZED = keyword('materialized')
const NOT = keyword('not')
const ONLY = keyword('only')
const OPERATOR = keyword('operator')
const ORDER = keyword('order')
const OVER = keyword('over')
const RECURSIVE = keyword('recursive')
const OVERLAY = keyword('overlay')
const ROLLUP = keyword('rollup')
const SELECT = keyword('select')
const SETS = keyword('sets')
const STDOUT = keyword('stdout')
const SUBSTRING = keyword('substring')
const SYSTEM = keyword('system')
const TABLE = keyword('table')
const TABLESAMPLE = keyword('tablesample')
const TO = keyword('to')
const WHERE = keyword('where')
const WITH = keyword('with')
const EXPLAIN_WORDS: ReadonlySet<number> = new Set(['analyze', 'analyse', 'verbose'].map(keyword))
// What ends a list of relations.
const BEHIND_SOURCES: ReadonlySet<number> = new Set([SELECT, WHERE, GROUP, ORDER])
const BEFORE_SOURCE: ReadonlySet<number> = new Set([FROM, JOIN, ONLY, TABLE])
// What an alias follows, and never a column that is read: AS, or the end of an expression.
const BEFORE_ALIAS: ReadonlySet<number> = new Set([AS, NAME, OTHER, CLOSE])
const LONGEST_OPERATOR = 64
const UNKNOWN_OPERATOR = 'is an operator that nothing is known of'
const SERVER_OPERATOR = /\s*pg_catalog\s*\.\s*/iy
const BY_FOLLOWS: ReadonlySet<number> = new Set(['group', 'order', 'partition'].map(keyword))

const READ: Classification = Object.freeze({ verdict: 'read', reason: 'it only reads' })

/**
 * Reads one statement token by token and decides what it is. Everything it is not sure of is a
 * write, except for functions it does not know, which are "unknown".
 */
export class StatementReader {
  readonly #text: string
  readonly #lexer: SqlLexer
  readonly #rules: FunctionRules
  readonly #names: OwnNames
  #kind: TokenKind = TOKEN.end
  // Of a word its number as a keyword, or 0.
  #code = 0
  #before = START
  // The name that ends with the token before the current one, if one does: where it stands, the
  // part before its last dot, and what stood before all of it. Most names are never made strings.
  #named = false
  #nameStart = 0
  #nameEnd = 0
  #nameKeyword = 0
  #schemaStart = 0
  #schemaEnd = 0
  #beforeName = START
  #depth = 0
  // Whether a comma or a parenthesis may be followed by a relation: behind FROM, and for each open
  // parenthesis what it was before that.
  #inSources = false
  readonly #outerSources: boolean[] = []
  #beforeNameInSources = false
  // Depths at which the names of a WITH list are being read.
  readonly #withLists: number[] = []
  // The last of them, -1 if there is none.
  #withDepth = -1
  #verdict: Classification = READ
  #trouble: string | undefined

  /** Looks at nothing before `read`. */
  constructor(text: string, rules: FunctionRules, names: OwnNames) {
    this.#text = text
    this.#lexer = new SqlLexer(text, 'either')
    this.#rules = rules
    this.#names = names
  }

  /** Reads the text to its end, or to what makes it a write. */
  read(): Classification {
    this.#next()
    const write = this.#statement() ?? this.#end()
    const trouble = this.#trouble ?? troubleOf(this.#text, this.#lexer)
    if (trouble !== undefined) {
      return Object.freeze({ verdict: 'write', reason: `it has ${trouble}` })
    }
    return write ?? this.#verdict
  }

  #statement(): Classification | undefined {
    if (this.#isWord(EXPLAIN)) return this.#explain()
    if (this.#isWord(COPY)) return this.#copy()
    return this.#query(0)
  }

  /** EXPLAIN of a query runs nothing, or with ANALYZE the query. */
  #explain(): Classification | undefined {
    this.#next()
    if (this.#isSign(OPEN)) {
      this.#next()
      if (this.#isSign(OPEN) || this.#isWordThat(IS.queryVerb)) {
        // The parenthesis was the query's.
        this.#depth = 1
        this.#before = OPEN
        return this.#query(0)
      }
      const open = this.#skipParenthesis()
      if (open !== undefined) return open
    } else {
      while (EXPLAIN_WORDS.has(this.#keyword())) this.#next()
    }
    return this.#query(0)
  }

  /** COPY of a table or a query, and only to the client. */
  #copy(): Classification | undefined {
    this.#next()
    const write = this.#isSign(OPEN) ? this.#copiedQuery() : this.#copiedTable()
    if (write !== undefined) return write
    if (!this.#isWord(TO)) return this.#write('does not copy to the client')
    this.#next()
    if (!this.#isWord(STDOUT)) return this.#write('is not where the client is')
    this.#next()
    // Options change nothing.
    while (!this.#isEnd() && !this.#isSign(SEMICOLON)) this.#next()
    return undefined
  }

  #copiedQuery(): Classification | undefined {
    this.#next()
    this.#depth = 1
    this.#before = OPEN
    return this.#query(1)
  }

  #copiedTable(): Classification | undefined {
    for (;;) {
      if (!this.#isName()) return this.#unreadable()
      const local = this.#localRelation()
      if (local !== undefined) return local
      this.#next()
      if (!this.#isSign(DOT)) break
      this.#next()
    }
    if (!this.#isSign(OPEN)) return undefined
    this.#next()
    return this.#skipParenthesis()
  }

  /**
   * A query, to the end of the statement or of the parenthesis at the depth `outer` that it stands
   * in.
   */
  #query(outer: 0 | 1): Classification | undefined {
    while (this.#isSign(OPEN)) {
      this.#depth++
      this.#before = OPEN
      this.#next()
    }
    if (this.#isEnd()) return this.#unreadable('it is empty')
    if (!this.#isWordThat(IS.queryVerb)) {
      return this.#write('does not begin a query', this.#isWordThat(IS.sessionCommand))
    }
    while (!this.#isEnd() && !this.#isSign(SEMICOLON)) {
      const write = this.#token()
      if (write !== undefined) return write
      this.#next()
      if (this.#depth < outer) return undefined
    }
    const last = this.#nameEnds()
    if (last !== undefined) return last
    return this.#depth === 0 ? undefined : this.#unreadable()
  }

  /** Only semicolons may follow. */
  #end(): Classification | undefined {
    while (this.#isSign(SEMICOLON)) this.#next()
    return this.#isEnd() ? undefined : this.#write('begins a second statement')
  }

  #token(): Classification | undefined {
    const ended = this.#nameEnds()
    if (ended !== undefined) return ended
    switch (this.#kind) {
      case TOKEN.word:
        return this.#word()
      case TOKEN.quoted:
        return this.#nameOf(0)
      case TOKEN.sign:
        return this.#sign()
      default:
        this.#named = false
        this.#before = OTHER
        return undefined
    }
  }

  #word(): Classification | undefined {
    const word = this.#code
    // Behind a dot every word is a name.
    if (word === 0 || this.#isPart()) return this.#nameOf(0)
    if (keywordIs(word, IS.lockStrength) && this.#before === FOR) return this.#write('locks rows')
    if (keywordIs(word, IS.writeVerb) && this.#before !== AS) {
      return this.#write('is a write, or a name that looks like one')
    }
    if (word === INTO) return this.#write('makes a table')
    if (word === FROM) this.#inSources = true
    else if (BEHIND_SOURCES.has(word)) this.#inSources = false
    if (keywordIs(word, IS.queryVerb)) {
      if (word !== WITH) this.#leaveWithList()
      else if (this.#before === START || this.#before === OPEN) this.#enterWithList()
    }
    if (!keywordIs(word, IS.notCalled)) return this.#nameOf(word)
    this.#named = false
    this.#before = word
    return undefined
  }

  /**
   * Looks at the name before the current token, if it ends there and calls nothing by parentheses.
   */
  #nameEnds(): Classification | undefined {
    if (!this.#named || this.#before === DOT || this.#isSign(OPEN) || this.#isSign(DOT)) {
      return undefined
    }
    const isPart = this.#hasSchema()
    const isOfValue = this.#beforeName === DOT
    const before = this.#beforeName
    if (before === SIGN.cast) return undefined
    const length = this.#nameEnd - this.#nameStart
    // The names that may belong to sequences are short, or end in a way that is told without making
    // them strings.
    const isSource =
      BEFORE_SOURCE.has(before) ||
      (this.#beforeNameInSources && (before === COMMA || before === OPEN))
    if (!isPart && !isOfValue && !isSource && (length < 7 || length > 12)) return undefined
    const name = nameAt(this.#text, this.#nameStart, this.#nameEnd)
    const column = isPart || !BEFORE_ALIAS.has(before) ? hazardOfColumn(name) : undefined
    const found = column ?? (isSource ? hazardOfSource(name, this.#names.sequences) : undefined)
    if (found !== undefined) {
      return this.#write(found.reason, found.silent, this.#tokenAt(this.#nameStart, this.#nameEnd))
    }
    return isPart || isOfValue ? this.#attribute(name) : undefined
  }

  /** A name behind a dot: a column, or a function of what stands before it. */
  #attribute(name: string): Classification | undefined {
    const isOfName = this.#hasSchema() && this.#beforeName !== DOT
    const schema = isOfName ? nameAt(this.#text, this.#schemaStart, this.#schemaEnd) : undefined
    const { verdict, reason, silent } = this.#rules.judgeAttribute(schema, name, this.#names)
    if (verdict === 'read') return undefined
    const token = this.#tokenAt(this.#nameStart, this.#nameEnd)
    if (verdict === 'write') return this.#write(reason, silent, token)
    return this.#unknown(reason, token)
  }

  /** The first of what is not known is told; the others may be half a million. */
  #unknown(reason: string, token: DecidingToken): undefined {
    if (this.#verdict !== READ) return
    this.#verdict = Object.freeze({
      verdict: 'unknown',
      reason: `"${token.text}" ${reason}`,
      token,
    })
  }

  /**
   * A name, maybe the next part of one. An unreserved keyword may still say what the word behind it
   * is.
   */
  #nameOf(word: number): Classification | undefined {
    if (this.#isPart()) {
      this.#schemaStart = this.#nameStart
      this.#schemaEnd = this.#nameEnd
    } else {
      this.#schemaEnd = 0
      this.#beforeName = this.#before
      this.#beforeNameInSources = this.#inSources
    }
    this.#named = true
    this.#nameStart = this.#lexer.start
    this.#nameEnd = this.#lexer.end
    this.#nameKeyword = word
    this.#before = word === 0 ? NAME : word
    return this.#localRelation()
  }

  /** Whether the current name is that of something that each server has for itself. */
  #localRelation(): Classification | undefined {
    const text = this.#text
    const at = this.#lexer.start + (this.#kind === TOKEN.quoted ? 1 : 0)
    // All of them begin with `pg_`.
    if (text.charCodeAt(at + 2) !== 0x5f || (text.charCodeAt(at) | 0x20) !== 0x70) return undefined
    const local = hazardOfRelation(nameAt(text, this.#lexer.start, this.#lexer.end))
    return local === undefined ? undefined : this.#write(local.reason, local.silent)
  }

  #sign(): Classification | undefined {
    const sign = this.#lexer.code
    if (sign === DOT && this.#named) {
      this.#before = DOT
      return undefined
    }
    if (sign === OPEN) {
      const write = this.#named ? this.#call() : this.#keywordCall()
      if (write !== undefined) return write
      this.#outerSources.push(this.#inSources)
      if (this.#named) this.#inSources = false
      this.#keepWithList()
      this.#depth++
    } else if (sign === CLOSE) {
      this.#leaveWithList()
      this.#inSources = this.#outerSources.pop() ?? true
      this.#depth--
      if (this.#depth < 0) return this.#unreadable()
    } else if ((sign === SIGN.operator || sign === BACKTICK) && this.#isUnknownOperator()) {
      this.#unknown(UNKNOWN_OPERATOR, this.#tokenAt(this.#lexer.start, this.#lexer.end))
    }
    this.#named = false
    this.#before = sign
    return undefined
  }

  #isUnknownOperator(): boolean {
    const { start, end } = this.#lexer
    return end - start >= LONGEST_OPERATOR || !isKnownOperator(this.#text.slice(start, end))
  }

  /** A name before a parenthesis: a function, unless what stands before it says otherwise. */
  #call(): Classification | undefined {
    if (this.#nameKeyword === OPERATOR && !this.#hasSchema()) return this.#operatorCall()
    const schema = this.#hasSchema()
      ? nameAt(this.#text, this.#schemaStart, this.#schemaEnd)
      : undefined
    const name = nameAt(this.#text, this.#nameStart, this.#nameEnd)
    const { verdict, reason, silent } = this.#rules.judge(schema, name, this.#names)
    if (verdict === 'read' || (verdict === 'unknown' && this.#isNoCall())) return undefined
    // The first of the unknown ones is told.
    if (verdict === 'unknown' && this.#verdict !== READ) return undefined
    const token = this.#tokenAt(this.#nameStart, this.#nameEnd)
    if (verdict === 'write') return this.#write(reason, silent, token)
    return this.#unknown(reason, token)
  }

  /**
   * Two keywords call what is found by their name, if they are not followed by words of their own.
   */
  #keywordCall(): undefined {
    const before = this.#before
    if (before !== SUBSTRING && before !== OVERLAY) return
    const { verdict, reason } = this.#rules.judge(
      undefined,
      before === SUBSTRING ? 'substring' : 'overlay',
      this.#names,
    )
    if (verdict !== 'read') this.#unknown(reason, this.#tokenAt(this.#lexer.start, this.#lexer.end))
  }

  /** `OPERATOR(schema.sign)`. */
  #operatorCall(): Classification | undefined {
    SERVER_OPERATOR.lastIndex = this.#lexer.end
    if (SERVER_OPERATOR.test(this.#text)) return undefined
    return this.#unknown(UNKNOWN_OPERATOR, this.#tokenAt(this.#nameStart, this.#nameEnd))
  }

  #isNoCall(): boolean {
    const before = this.#beforeName
    // A type with a length, and an alias with names of columns.
    if (before === SIGN.cast || before === AS) return true
    if (this.#hasSchema()) return false
    switch (this.#nameKeyword) {
      case 0:
        break
      case OVER:
      case FILTER:
        return before === CLOSE
      case BY:
        return BY_FOLLOWS.has(before)
      case SETS:
        return before === GROUPING
      case ROLLUP:
      case CUBE:
        return before === BY
      case MATERIALIZED:
        return before === NOT
      case SYSTEM:
      case BERNOULLI:
        return before === TABLESAMPLE
    }
    return this.#isInWithList() && isBeforeWithName(before)
  }

  #isInWithList(): boolean {
    return this.#withDepth === this.#depth
  }

  #enterWithList(): void {
    this.#withLists.push(this.#depth)
    this.#withDepth = this.#depth
  }

  #leaveWithList(): void {
    while (this.#withDepth >= 0 && this.#withDepth >= this.#depth) {
      this.#withLists.pop()
      this.#withDepth = this.#withLists.at(-1) ?? -1
    }
  }

  /**
   * A parenthesis at the depth of a WITH list belongs to it only behind a name of it, or behind AS
   * [NOT] MATERIALIZED.
   */
  #keepWithList(): void {
    if (!this.#isInWithList()) return
    const isColumns = this.#named && isBeforeWithName(this.#beforeName)
    const isBody = this.#before === AS || this.#before === MATERIALIZED
    if (!isColumns && !isBody) this.#leaveWithList()
  }

  /** To behind the closing parenthesis of one whose opening has been read. */
  #skipParenthesis(): Classification | undefined {
    for (let depth = 1; ; this.#next()) {
      if (this.#isEnd()) return this.#unreadable()
      if (this.#isSign(OPEN)) depth++
      else if (this.#isSign(CLOSE) && --depth === 0) break
    }
    this.#next()
    return undefined
  }

  #next(): void {
    const lexer = this.#lexer
    this.#kind = this.#trouble === undefined ? lexer.next() : TOKEN.end
    this.#code = 0
    if (this.#kind === TOKEN.word) {
      this.#code = KEYWORDS.at(this.#text, lexer.start, lexer.end, lexer.hash)
    } else if (this.#kind === TOKEN.quoted && this.#text.charCodeAt(lexer.start) !== QUOTE) {
      // What stands behind it may say how its escapes are to be read.
      this.#trouble = 'a name in Unicode escapes'
      this.#kind = TOKEN.end
    }
  }

  #isEnd(): boolean {
    return this.#kind === TOKEN.end
  }

  #keyword(): number {
    return this.#code
  }

  #isWord(number: number): boolean {
    return this.#code === number
  }

  #isWordThat(property: number): boolean {
    return keywordIs(this.#code, property)
  }

  #isSign(code: number): boolean {
    return this.#kind === TOKEN.sign && this.#lexer.code === code
  }

  #isName(): boolean {
    return this.#kind === TOKEN.word || this.#kind === TOKEN.quoted
  }

  #hasSchema(): boolean {
    return this.#schemaEnd > 0
  }

  #isPart(): boolean {
    return this.#before === DOT && this.#named
  }

  #tokenAt(start: number, end: number): DecidingToken {
    const shown = this.#text.slice(start, Math.min(end, start + LONGEST_SHOWN))
    const text = end - start > LONGEST_SHOWN ? `${shown}…` : shown
    return Object.freeze({ text, position: start })
  }

  #write(
    reason: string,
    hazard = false,
    token: DecidingToken = this.#tokenAt(this.#lexer.start, this.#lexer.end),
  ): Classification {
    const clause = `"${token.text}" ${reason}`
    return Object.freeze({ verdict: 'write', reason: clause, token, ...(hazard && { hazard }) })
  }

  #unreadable(reason = 'its parentheses do not match'): Classification {
    return Object.freeze({ verdict: 'write', reason })
  }
}

function isBeforeWithName(before: number): boolean {
  return before === WITH || before === RECURSIVE || before === COMMA
}

/**
 * Why the text cannot be read with certainty; undefined if it can. The server reads no further than
 * to a zero byte, wherever it stands.
 */
export function troubleOf(text: string, { trouble }: SqlLexer): string | undefined {
  return text.includes('\0') ? 'a zero byte, where the server stops reading' : trouble
}
