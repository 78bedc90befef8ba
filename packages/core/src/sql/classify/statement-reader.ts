import { nameAt } from '../names.js'
import { SIGN, SqlLexer, TOKEN, type TokenKind } from '../sql-lexer.js'
import type { Classification, DecidingToken } from './classification.js'
import { IS, KEYWORDS, keyword, keywordIs, keywords } from './keywords.js'
import type { NameRules } from './name-rules.js'
import { troubleOf } from './trouble-of.js'
import { WithLists } from './with-lists.js'

const LONGEST_SHOWN = 40

// The token before the current one, as a number: the character of a sign, the number of a keyword,
// or one of these.
const START = 0
const NAME = 0x100
const OTHER = 0x101

const OPEN = 0x28
const CLOSE = 0x29
const COMMA = 0x2c
const DOT = 0x2e
const SEMICOLON = 0x3b
const QUOTE = 0x22

// biome-ignore format: a list of words.
const WORD = keywords([
  'as', 'bernoulli', 'by', 'copy', 'cube', 'explain', 'filter', 'for', 'from', 'group',
  'grouping', 'into', 'join', 'materialized', 'not', 'only', 'operator', 'order', 'over',
  'overlay', 'recursive', 'rollup', 'select', 'sets', 'stdout', 'substring', 'system', 'table',
  'tablesample', 'to', 'treat', 'where', 'with',
])
const EXPLAIN_WORDS: ReadonlySet<number> = new Set(['analyze', 'analyse', 'verbose'].map(keyword))
// What ends a list of relations.
const BEHIND_SOURCES: ReadonlySet<number> = new Set([
  WORD.select,
  WORD.where,
  WORD.group,
  WORD.order,
])
const BEFORE_SOURCE: ReadonlySet<number> = new Set([WORD.from, WORD.join, WORD.only, WORD.table])
// What stands before an alias, and never before a column that is read.
const BEFORE_ALIAS: ReadonlySet<number> = new Set([WORD.as, NAME, OTHER, CLOSE])
const LONGEST_OPERATOR = 64
// No other operator of a single character than ` and ! may be a stranger.
const DOUBTFUL: ReadonlySet<number> = new Set([SIGN.operator, 0x60, 0x21])
const UNKNOWN_OPERATOR = 'is an operator that nothing is known of'
const SERVER_OPERATOR = /\s*pg_catalog\s*\.\s*/iy
const BY_FOLLOWS: ReadonlySet<number> = new Set(['group', 'order', 'partition'].map(keyword))

const READ: Classification = Object.freeze({ verdict: 'read', reason: 'it only reads' })

/**
 * Reads one statement token by token and decides whether it reads or writes. In doubt it is a
 * write; a call of an unknown function is "unknown".
 */
export class StatementReader<Own> {
  readonly #text: string
  readonly #lexer: SqlLexer
  readonly #rules: NameRules<Own>
  readonly #names: Own
  #kind: TokenKind = TOKEN.end
  // The number of the current keyword; 0 for any other token.
  #code = 0
  #before = START
  // The name that ends with the token before the current one, if there is one: its offsets, those
  // of the part before its last dot, and what stood before the whole name. Most names are never
  // sliced into strings.
  #named = false
  #nameStart = 0
  #nameEnd = 0
  #nameKeyword = 0
  #schemaStart = 0
  #schemaEnd = 0
  #beforeName = START
  #depth = 0
  // Whether a relation may follow a comma or a parenthesis, as in a FROM list. The stack holds the
  // value from before each open parenthesis.
  #inSources = false
  readonly #outerSources: boolean[] = []
  #beforeNameInSources = false
  readonly #withLists = new WithLists()
  #verdict: Classification = READ
  #trouble: string | undefined

  /** Reads nothing before `read`. `names` are handed to the rules with each question. */
  constructor(text: string, rules: NameRules<Own>, names: Own) {
    this.#text = text
    this.#lexer = new SqlLexer(text, 'either')
    this.#rules = rules
    this.#names = names
  }

  /** Reads the text to its end, or to the token that makes it a write. */
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
    if (this.#isWord(WORD.explain)) return this.#explain()
    if (this.#isWord(WORD.copy)) return this.#copy()
    return this.#query(0)
  }

  /** EXPLAIN of a query runs nothing, and with ANALYZE the query alone. */
  #explain(): Classification | undefined {
    this.#next()
    if (this.#isSign(OPEN)) {
      this.#next()
      if (this.#isSign(OPEN) || this.#isWordThat(IS.queryVerb)) {
        // The parenthesis belongs to the query.
        this.#depth = 1
        this.#before = OPEN
        return this.#query(0)
      }
      const open = this.#skipParenthesis()
      if (open !== undefined) return open
    } else {
      while (EXPLAIN_WORDS.has(this.#code)) this.#next()
    }
    return this.#query(0)
  }

  /** COPY of a table or a query is a read only if it goes to the client. */
  #copy(): Classification | undefined {
    this.#next()
    const write = this.#isSign(OPEN) ? this.#copiedQuery() : this.#copiedTable()
    if (write !== undefined) return write
    if (!this.#isWord(WORD.to)) return this.#write('does not copy to the client')
    this.#next()
    if (!this.#isWord(WORD.stdout)) return this.#write('is not the client')
    this.#next()
    // The options of COPY do not matter.
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
   * Reads a query, to the end of the statement or of the parenthesis at depth `outer` around it.
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

  /** Nothing but semicolons may follow the statement. */
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
    // After a dot every word is a name.
    if (word === 0 || this.#isPart()) return this.#nameOf(0)
    if (keywordIs(word, IS.lockStrength) && this.#before === WORD.for)
      return this.#write('locks rows')
    if (keywordIs(word, IS.writeVerb) && this.#before !== WORD.as) {
      return this.#write('is a write, or a name that looks like one')
    }
    if (word === WORD.into) return this.#write('makes a table')
    if (word === WORD.from) this.#inSources = true
    else if (BEHIND_SOURCES.has(word)) this.#inSources = false
    if (keywordIs(word, IS.queryVerb)) {
      if (word !== WORD.with) this.#withLists.leave(this.#depth)
      else if (this.#before === START || this.#before === OPEN) this.#withLists.enter(this.#depth)
    }
    if (!keywordIs(word, IS.notCalled)) return this.#nameOf(word)
    this.#named = false
    this.#before = word
    return undefined
  }

  /**
   * Checks the name before the current token, if it ends there and no parenthesis makes it a call.
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
    // A name of a sequence's column is of this length. Longer and shorter names need no string.
    const isSource =
      BEFORE_SOURCE.has(before) ||
      (this.#beforeNameInSources && (before === COMMA || before === OPEN))
    if (!isPart && !isOfValue && !isSource && (length < 7 || length > 12)) return undefined
    const name = nameAt(this.#text, this.#nameStart, this.#nameEnd)
    const column =
      isPart || !BEFORE_ALIAS.has(before) ? this.#rules.hazardOfColumn(name) : undefined
    const found = column ?? (isSource ? this.#rules.hazardOfSource(name, this.#names) : undefined)
    if (found !== undefined) {
      return this.#write(found.reason, found.silent, this.#tokenAt(this.#nameStart, this.#nameEnd))
    }
    return isPart || isOfValue ? this.#attribute(name) : undefined
  }

  /** A name after a dot is a column, or a function of what stands before the dot. */
  #attribute(name: string): Classification | undefined {
    const isOfName = this.#hasSchema() && this.#beforeName !== DOT
    const schema = isOfName ? nameAt(this.#text, this.#schemaStart, this.#schemaEnd) : undefined
    const { verdict, reason, silent } = this.#rules.judgeAttribute(schema, name, this.#names)
    if (verdict === 'read') return undefined
    const token = this.#tokenAt(this.#nameStart, this.#nameEnd)
    if (verdict === 'write') return this.#write(reason, silent, token)
    return this.#unknown(reason, token)
  }

  /** Reports only the first unknown name: a text may have half a million of them. */
  #unknown(reason: string, token: DecidingToken): undefined {
    if (this.#verdict !== READ) return
    this.#verdict = Object.freeze({
      verdict: 'unknown',
      reason: `"${token.text}" ${reason}`,
      token,
    })
  }

  /**
   * Takes the current token as a name, or as the next part of one. `word` is the number of an
   * unreserved keyword, which may still say what the next word is.
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

  /** Refuses names of relations that each server has for itself. */
  #localRelation(): Classification | undefined {
    const text = this.#text
    const at = this.#lexer.start + (this.#kind === TOKEN.quoted ? 1 : 0)
    // All such names begin with `pg_`.
    if (text.charCodeAt(at + 2) !== 0x5f || (text.charCodeAt(at) | 0x20) !== 0x70) return undefined
    const name = nameAt(text, this.#lexer.start, this.#lexer.end)
    const local = this.#rules.hazardOfRelation(name)
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
      this.#withLists.leave(this.#depth)
      this.#inSources = this.#outerSources.pop() ?? true
      this.#depth--
      if (this.#depth < 0) return this.#unreadable()
    } else if (DOUBTFUL.has(sign) && this.#isUnknownOperator()) {
      this.#unknown(UNKNOWN_OPERATOR, this.#tokenAt(this.#lexer.start, this.#lexer.end))
    }
    this.#named = false
    this.#before = sign
    return undefined
  }

  #isUnknownOperator(): boolean {
    const { start, end } = this.#lexer
    return (
      end - start >= LONGEST_OPERATOR || !this.#rules.isKnownOperator(this.#text.slice(start, end))
    )
  }

  /** A name before a parenthesis calls a function, unless the tokens before it say otherwise. */
  #call(): Classification | undefined {
    if (this.#nameKeyword === WORD.operator && !this.#hasSchema()) return this.#operatorCall()
    const schema = this.#hasSchema()
      ? nameAt(this.#text, this.#schemaStart, this.#schemaEnd)
      : undefined
    const name = nameAt(this.#text, this.#nameStart, this.#nameEnd)
    const { verdict, reason, silent } = this.#rules.judge(schema, name, this.#names)
    if (verdict === 'read' || (verdict === 'unknown' && this.#isNoCall())) return undefined
    // Only the first unknown name is reported.
    if (verdict === 'unknown' && this.#verdict !== READ) return undefined
    const token = this.#tokenAt(this.#nameStart, this.#nameEnd)
    if (verdict === 'write') return this.#write(reason, silent, token)
    return this.#unknown(reason, token)
  }

  /**
   * SUBSTRING and OVERLAY call a function that is looked up by name, unless keywords of the grammar
   * follow inside the parenthesis. TREAT calls the server's function with the name of the type.
   */
  #keywordCall(): Classification | undefined {
    const before = this.#before
    if (before === WORD.treat) return this.#write('follows TREAT, which may call any function')
    if (before !== WORD.substring && before !== WORD.overlay) return undefined
    const { verdict, reason } = this.#rules.judge(
      undefined,
      before === WORD.substring ? 'substring' : 'overlay',
      this.#names,
    )
    if (verdict === 'read') return undefined
    return this.#unknown(reason, this.#tokenAt(this.#lexer.start, this.#lexer.end))
  }

  /** `OPERATOR(schema.sign)`. */
  #operatorCall(): Classification | undefined {
    SERVER_OPERATOR.lastIndex = this.#lexer.end
    if (SERVER_OPERATOR.test(this.#text)) return undefined
    return this.#unknown(UNKNOWN_OPERATOR, this.#tokenAt(this.#nameStart, this.#nameEnd))
  }

  #isNoCall(): boolean {
    const before = this.#beforeName
    // A type with a length, or an alias with column names.
    if (before === SIGN.cast || before === WORD.as) return true
    if (this.#hasSchema()) return false
    switch (this.#nameKeyword) {
      case 0:
        break
      case WORD.over:
      case WORD.filter:
        return before === CLOSE
      case WORD.by:
        return BY_FOLLOWS.has(before)
      case WORD.sets:
        return before === WORD.grouping
      case WORD.rollup:
      case WORD.cube:
        return before === WORD.by
      case WORD.materialized:
        return before === WORD.not
      case WORD.system:
      case WORD.bernoulli:
        return before === WORD.tablesample
    }
    return this.#withLists.isAt(this.#depth) && isBeforeWithName(before)
  }

  /**
   * Ends the WITH list at this depth, unless the parenthesis belongs to it: after one of its names,
   * or after AS [NOT] MATERIALIZED.
   */
  #keepWithList(): void {
    if (!this.#withLists.isAt(this.#depth)) return
    const isColumns = this.#named && isBeforeWithName(this.#beforeName)
    const isBody = this.#before === WORD.as || this.#before === WORD.materialized
    if (!isColumns && !isBody) this.#withLists.leave(this.#depth)
  }

  /** Skips to the token after the closing parenthesis. The opening one has been read. */
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
      // A UESCAPE clause after the name may change the escape character.
      this.#trouble = 'a name in Unicode escapes'
      this.#kind = TOKEN.end
    }
  }

  #isEnd(): boolean {
    return this.#kind === TOKEN.end
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
  return before === WORD.with || before === WORD.recursive || before === COMMA
}
