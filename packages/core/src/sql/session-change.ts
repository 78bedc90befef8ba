import { GUARD_WORDS, MEANS } from './guard-words.js'
import { nameAt } from './names.js'
import { type Backslashes, TOKEN, type TokenKind } from './sql-lexer.js'
import { SqlStatements } from './sql-statements.js'

/** A part of a text that changes its session for longer than its transaction. */
export interface SessionChange {
  /** The statement, told by its first word and never by its values. */
  readonly what: string
  /** What has the same effect inside one transaction, if anything has. */
  readonly instead?: string
}

const INSTEAD_OF_SET = 'SET LOCAL'
// Commands whose first word is enough, with what can stand for them.
const COMMANDS: ReadonlyMap<string, string | undefined> = new Map([
  ['set', INSTEAD_OF_SET],
  ['reset', INSTEAD_OF_SET],
  ['discard', undefined],
  ['listen', undefined],
  ['unlisten', undefined],
  ['prepare', undefined],
  ['deallocate', undefined],
  ['execute', undefined],
  ['load', undefined],
])
// What stands for a function inside one transaction.
const INSTEAD: ReadonlyMap<string, string> = new Map([
  ['pg_advisory_lock', 'pg_advisory_xact_lock()'],
  ['pg_advisory_lock_shared', 'pg_advisory_xact_lock_shared()'],
  ['pg_try_advisory_lock', 'pg_try_advisory_xact_lock()'],
  ['pg_try_advisory_lock_shared', 'pg_try_advisory_xact_lock_shared()'],
])
const FUNCTION = MEANS.change | MEANS.lock
const ENDS_WITH_TRANSACTION: ReadonlySet<string> = new Set(['local', 'transaction', 'constraints'])
const BEFORE_TEMPORARY: ReadonlySet<string> = new Set(['or', 'replace', 'global', 'local'])
const TEMPORARY_SCHEMA = /^pg_(?:toast_)?temp(?:_|$)/
const ENDS_VALUE: ReadonlySet<string> = new Set([')', ']', '0'])
const TEMPORARY: ReadonlySet<string> = new Set(['temp', 'temporary'])

/**
 * Finds what changes the session for longer than its transaction. Unlike the flags of `traitsOf`,
 * which may say so too often at the price of a reset, this decides over refusal: a column named
 * `temp` and `set_config(…, true)` pass, and so do DO and CALL, whose effects cannot be seen here.
 */
export function findSessionChange(
  text: string,
  backslashes: Backslashes,
): SessionChange | undefined {
  const statements = new SqlStatements(text, backslashes)
  let statement: string[] = []
  for (let kind = statements.next(); kind !== TOKEN.end; kind = statements.next()) {
    if (!statements.isEnd) {
      const token = tokenOf(text, kind, statements)
      // `U&"…" UESCAPE '!'` is one name, in which the escapes have been put in.
      const isUescape = kind === TOKEN.word && token === 'uescape'
      if (isUescape) statements.next()
      else statement.push(token)
      continue
    }
    const change = changeOf(statement)
    if (change !== undefined) return change
    statement = []
  }
  return changeOf(statement)
}

/**
 * A word in lower case, a sign as it stands, a literal as its first character; a quoted name with
 * its first quote, if it is no word of ours.
 */
function tokenOf(text: string, kind: TokenKind, { lexer: { start, end } }: SqlStatements): string {
  switch (kind) {
    case TOKEN.word:
      return nameAt(text, start, end)
    case TOKEN.quoted: {
      const name = nameAt(text, start, end)
      const isOurs =
        GUARD_WORDS.flagsOf(GUARD_WORDS.find(name)) !== 0 || TEMPORARY_SCHEMA.test(name)
      return isOurs ? name : `"${name}`
    }
    case TOKEN.sign:
      return text.slice(start, end)
    default:
      return kind === TOKEN.string ? "'" : '0'
  }
}

function changeOf(statement: readonly string[]): SessionChange | undefined {
  const [first = '', second = ''] = statement
  const command = first.toUpperCase()
  if (COMMANDS.has(first)) {
    // `SET LOCAL …`, and `PREPARE TRANSACTION`, which is about a transaction.
    if (endsWithTransaction(statement, second)) return undefined
    return changed(command, COMMANDS.get(first))
  }
  if (first === 'declare' && follows(statement, 'with', 'hold')) {
    return changed('DECLARE … WITH HOLD', 'DECLARE without HOLD')
  }
  if (makesTemporary(statement)) {
    return changed(`${command} of a temporary object`, 'CREATE TEMPORARY TABLE … ON COMMIT DROP')
  }
  const runsPrepared =
    (first === 'explain' && statement.includes('execute')) || follows(statement, 'as', 'execute')
  if (runsPrepared) return changed('EXECUTE')
  if (follows(statement, 'update', 'pg_settings'))
    return changed('UPDATE of pg_settings', INSTEAD_OF_SET)
  for (const [index, token] of statement.entries()) {
    // A function is called by its arguments, or as an attribute of its one argument.
    const isAttribute = statement[index - 1] === '.' && ENDS_VALUE.has(statement[index - 2] ?? '')
    if (statement[index + 1] !== '(' && !isAttribute) continue
    if (token === 'set_config') {
      if (isLocal(statement, index + 2)) continue
      return changed(`${command} with set_config()`, 'set_config(name, value, true)')
    }
    if (isFunction(token)) return changed(`${command} with ${token}()`, INSTEAD.get(token))
  }
  return undefined
}

function isFunction(token: string): boolean {
  const means = GUARD_WORDS.flagsOf(GUARD_WORDS.find(token))
  return (means & FUNCTION) !== 0 && (means & MEANS.temporary) === 0
}

/**
 * `SET LOCAL …` and the like. The seed of random() stays, and a setting may itself begin with one
 * of these words: `local.x`.
 */
function endsWithTransaction(statement: readonly string[], second: string): boolean {
  if (!ENDS_WITH_TRANSACTION.has(second)) return false
  const [first, , third = ''] = statement
  if (first === 'prepare') return third === "'"
  return !['.', '=', 'to', 'seed', '"seed'].includes(third)
}

function changed(what: string, instead?: string): SessionChange {
  return instead === undefined ? { what } : { what, instead }
}

function makesTemporary(statement: readonly string[]): boolean {
  const [first] = statement
  if (first === 'create') {
    // `CREATE [OR REPLACE] [GLOBAL | LOCAL] TEMP …`, or a name in the schema of temporary objects.
    const kind = statement.slice(1).find((token) => !BEFORE_TEMPORARY.has(token))
    const inSchema = statement.some(
      (token, index) => TEMPORARY_SCHEMA.test(token) && statement[index + 1] === '.',
    )
    if (!TEMPORARY.has(kind ?? '') && !inSchema) return false
    return !follows(statement, 'commit', 'drop')
  }
  return [...TEMPORARY].some((word) => follows(statement, 'into', word))
}

/** Whether the last argument of the call whose arguments begin at `from` is the literal `true`. */
function isLocal(statement: readonly string[], from: number): boolean {
  let argument: string[] = []
  let depth = 0
  for (const token of statement.slice(from)) {
    if (token === ')' && depth === 0) break
    if (token === '(') depth++
    if (token === ')') depth--
    if (token === ',' && depth === 0) argument = []
    else argument.push(token)
  }
  return (
    argument.join(' ') === 'true' ||
    ['is_local => true', 'is_local := true'].includes(argument.join(' '))
  )
}

function follows(statement: readonly string[], first: string, second: string): boolean {
  return statement.some((token, index) => token === first && statement[index + 1] === second)
}
