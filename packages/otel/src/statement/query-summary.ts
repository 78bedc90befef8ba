import { SqlLexer, TOKEN } from '@poolhouse/core/sql'

// What follows in a longer text adds little to a summary.
const MOST_TOKENS = 2_000
// As the semantic conventions say.
const LONGEST = 255
const LONGEST_NAME = 63

// What begins a statement, or one inside it.
const OPERATIONS = new Set(['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'MERGE'])
// Words before one of these that make it a part of something else: `FOR UPDATE`, `DO UPDATE`.
const NO_OPERATION_AFTER = new Set(['FOR', 'KEY', 'DO', 'ON', 'THEN', 'OR', 'BEFORE', 'AFTER'])
// What ends the list of tables behind FROM.
const ENDS_LIST = new Set(['WHERE', 'GROUP', 'ORDER', 'HAVING', 'LIMIT', 'OFFSET', 'WINDOW'])
const ENDS_LIST_TOO = new Set(['UNION', 'INTERSECT', 'EXCEPT', 'FETCH', 'FOR', 'RETURNING', 'SET'])
// Commands that need their second word to say anything.
const TWO_WORDS = new Set(['CREATE', 'ALTER', 'DROP', 'REFRESH', 'START', 'SET', 'RELEASE'])
const FILLERS = new Set(['OR', 'REPLACE', 'TEMP', 'TEMPORARY', 'UNLOGGED', 'UNIQUE', 'LOCAL'])

interface Token {
  /** A word in upper case, a name in quotes, or a sign; empty for strings and numbers. */
  readonly text: string
  /** A name as it is spelled; undefined where it can be none. */
  readonly name: string | undefined
}

/**
 * What a statement does to what, in few words, such as `SELECT orders customers`: the operations
 * and the tables, in order, for `db.query.summary`. No value of the text appears in it. At most 255
 * characters.
 */
export function summaryOf(text: string): string {
  const tokens = tokensOf(text)
  const first = tokens.find(({ text }) => text !== '(')?.text ?? ''
  if (!OPERATIONS.has(first) && first !== 'WITH') return commandOf(tokens, first)
  return shortened(new SummaryReader(tokens).read())
}

function commandOf(tokens: readonly Token[], first: string): string {
  if (!/^[A-Z_]+$/.test(first)) return 'UNKNOWN'
  if (!TWO_WORDS.has(first)) return first.slice(0, LONGEST_NAME)
  const second = tokens.slice(1).find(({ text }) => !FILLERS.has(text))?.text ?? ''
  return first === 'SET' || !/^[A-Z_]+$/.test(second) ? first : `${first} ${second}`
}

function shortened(parts: readonly string[]): string {
  let summary = ''
  for (const part of parts) {
    const longer = summary === '' ? part : `${summary} ${part}`
    if (longer.length > LONGEST) return summary
    summary = longer
  }
  return summary
}

function tokensOf(text: string): Token[] {
  const lexer = new SqlLexer(text, 'either')
  const tokens: Token[] = []
  while (tokens.length < MOST_TOKENS) {
    const kind = lexer.next()
    if (kind === TOKEN.end) break
    const spelled = text.slice(lexer.start, lexer.end)
    if (kind === TOKEN.word)
      tokens.push({ text: spelled.toUpperCase(), name: spelled.toLowerCase() })
    else if (kind === TOKEN.quoted) tokens.push({ text: '"', name: spelled })
    else tokens.push({ text: kind === TOKEN.sign ? spelled : '', name: undefined })
  }
  return tokens
}

/** Reads the operations and tables of one statement. */
class SummaryReader {
  readonly #tokens: readonly Token[]
  readonly #parts: string[] = []
  // Names that WITH has given to parts of the statement.
  readonly #common = new Set<string>()
  // For each open parenthesis, whether a statement is inside and whether a list of tables is open
  // around it.
  readonly #open: { readonly isStatement: boolean; readonly isList: boolean }[] = []
  #isStatement = true
  #isList = false
  #at = 0

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens
  }

  read(): readonly string[] {
    for (; this.#at < this.#tokens.length; this.#at++) this.#take(this.#text(this.#at))
    return this.#parts
  }

  #text(at: number): string {
    return this.#tokens[at]?.text ?? ''
  }

  #take(text: string): void {
    const next = this.#text(this.#at + 1)
    const before = this.#text(this.#at - 1)
    if (text === '(') {
      this.#open.push({ isStatement: this.#isStatement, isList: this.#isList })
      // Tables may stand in parentheses of their own: `from (a join b on …)`.
      const isTables = this.#isList && (before === 'FROM' || before === 'JOIN' || before === ',')
      this.#isStatement = OPERATIONS.has(next) || next === 'WITH' || next === '(' || isTables
      this.#isList = false
      if (isTables && !OPERATIONS.has(next) && next !== 'WITH') this.#target()
    } else if (text === ')') {
      const around = this.#open.pop()
      this.#isStatement = around?.isStatement ?? true
      this.#isList = around?.isList ?? false
    } else if (text === ',' && this.#isList) this.#target()
    else if (this.#isCommon()) this.#common.add(this.#tokens[this.#at]!.name!)
    else if (this.#isStatement) this.#word(text, before)
  }

  /** Whether a name is here that WITH gives: `name as (`, `name (columns) as (`. */
  #isCommon(): boolean {
    const before = this.#text(this.#at - 1)
    const mayBe = before === 'WITH' || before === 'RECURSIVE' || before === ','
    if (!mayBe || this.#tokens[this.#at]?.name === undefined) return false
    let at = this.#at + 1
    if (this.#text(at) === '(') while (at < this.#tokens.length && this.#text(at++) !== ')');
    if (this.#text(at) !== 'AS') return false
    while (this.#text(at + 1) === 'NOT' || this.#text(at + 1) === 'MATERIALIZED') at++
    return this.#text(at + 1) === '('
  }

  #word(text: string, before: string): void {
    if (OPERATIONS.has(text)) {
      if (NO_OPERATION_AFTER.has(before)) return
      this.#parts.push(text)
      this.#isList = false
      if (text === 'UPDATE') this.#target()
    } else if (text === 'INTO' || text === 'JOIN') this.#target()
    else if (text === 'FROM') {
      if (before === 'DISTINCT') return
      this.#isList = true
      this.#target()
    } else if (text === 'USING') {
      // Of DELETE and MERGE; that of a join has its columns in parentheses.
      if (this.#text(this.#at + 1) === '(') return
      this.#isList = true
      this.#target()
    } else if (ENDS_LIST.has(text) || ENDS_LIST_TOO.has(text)) this.#isList = false
  }

  /** Takes the name of a table that follows, if one does. */
  #target(): void {
    let at = this.#at + 1
    while (['ONLY', 'LATERAL', 'TABLE'].includes(this.#text(at))) at++
    let name = this.#tokens[at]?.name
    if (name === undefined || OPERATIONS.has(this.#text(at))) return
    let last = name
    while (this.#text(at + 1) === '.' && this.#tokens[at + 2]?.name !== undefined) {
      last = this.#tokens[at + 2]!.name!
      name += `.${last}`
      at += 2
    }
    const isFunction = this.#text(at + 1) === '(' && this.#text(this.#at) !== 'INTO'
    this.#at = at
    if (isFunction || this.#common.has(name)) return
    if (last.length <= LONGEST_NAME) this.#parts.push(name)
  }
}
