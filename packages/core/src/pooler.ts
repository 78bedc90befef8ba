import type { ConnectionSettings } from './connection-settings.js'
import { SessionStateError } from './errors.js'
import type { PoolerSighting } from './identity/pooler-watch.js'
import { sentBehind } from './sent-behind.js'
import type { Statement } from './statement.js'
import { CHANGES_SESSION, ESCAPED, tokens, traitsOf } from './statement-traits.js'

/**
 * What stands between a pool and its server, as its option says. `pgbouncer` is PgBouncer in transaction mode: each transaction may run
 * in another server session, so nothing that lives in a session can be relied on. `none`: each connection has a server session of
 * its own.
 */
export type Pooler = 'pgbouncer' | 'none'

/**
 * The pooler that a pool respects: `pgbouncer` was declared; `noticed` was seen when a connection was opened, without a `pooler`
 * option. Both are treated alike.
 */
export type PoolerInEffect = 'pgbouncer' | 'noticed'

/**
 * The statement as it may be sent through a pooler: without its name, because the session that knows the name may be another one
 * by the next call. Throws `SessionStateError` for a statement whose effect would outlive its transaction.
 */
export function throughPooler(
  pool: string,
  pooler: PoolerInEffect,
  statement: Statement,
): Statement {
  const { text, values, name, rowMode } = statement
  refuseSessionChange(pool, pooler, text)
  // What is sent behind it could run in another session.
  const alone = name === undefined && sentBehind(statement) === undefined
  return alone ? statement : { text, values, rowMode }
}

/** Throws `SessionStateError` for a text whose effect would outlive its transaction. */
function refuseSessionChange(pool: string, pooler: PoolerInEffect, text: string): void {
  if ((traitsOf(text) & CHANGES_SESSION) === 0) return
  const change = findSessionChange(text)
  if (change === undefined) return
  const instead = change.instead === undefined ? '' : `use ${change.instead} in a transaction, or `
  throw new SessionStateError(
    `pool "${pool}" cannot send ${change.what}: it changes a server session, and ${withPooler(pooler)} the next transaction may run in another one; ${instead}${otherwise(pooler)}`,
  )
}

/** Throws `SessionStateError` for something that needs a session of its own, such as `listen`. `what` names the call. */
export function refuseBehindPooler(
  pool: string,
  pooler: PoolerInEffect | undefined,
  what: string,
): void {
  if (pooler === undefined) return
  throw new SessionStateError(
    `${what} needs a server session of its own, which pool "${pool}" does not have ${withPooler(pooler)}; ${otherwise(pooler)}`,
  )
}

/** What was seen of a pooler that was not declared, and what follows, for humans. */
export function treatedAsPooler({ announcedPid, answeringPid }: PoolerSighting): string {
  const announced = announcedPid === 0 ? 'no server process' : `server process ${announcedPid}`
  return (
    `a pooler stands between the pool and its server: ${announced} was announced at log-in, and ${answeringPid} answered. ` +
    'From now on the pool works as with a declared pooler: no statement is prepared, whatever prepare says, names of statements are ignored, ' +
    "and what needs a server session of its own is refused. Set pooler: 'pgbouncer' to say so from the start, or pooler: 'none' if each " +
    'connection has a server session of its own'
  )
}

function withPooler(pooler: PoolerInEffect): string {
  return pooler === 'noticed'
    ? "with a pooler in between, as noticed when connecting and without option pooler: 'none',"
    : `with pooler '${pooler}'`
}

function otherwise(pooler: PoolerInEffect): string {
  const direct = 'use a pool that goes straight to the server'
  return pooler === 'noticed'
    ? `${direct}, or pooler: 'none' if each connection has a server session of its own`
    : direct
}

/** Throws `TypeError` for run-time parameters in the connection settings: PgBouncer refuses to log in with those it does not know. */
export function checkPoolerSettings(
  where: string,
  pooler: Pooler,
  settings: ConnectionSettings,
): void {
  const names = Object.keys(settings.parameters).filter((name) => name !== 'application_name')
  if (names.length === 0) return
  throw new TypeError(
    `${where}: connection.parameters must not set ${names.join(', ')} with pooler '${pooler}', which refuses unknown start-up parameters; use ALTER ROLE … SET on the server, or SET LOCAL in a transaction`,
  )
}

/** A part of a text that changes its session for longer than its transaction. */
interface SessionChange {
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
  ['load', undefined],
])
const FUNCTIONS: ReadonlyMap<string, string | undefined> = new Map([
  ['pg_advisory_lock', 'pg_advisory_xact_lock()'],
  ['pg_advisory_lock_shared', 'pg_advisory_xact_lock_shared()'],
  ['pg_try_advisory_lock', 'pg_try_advisory_xact_lock()'],
  ['pg_try_advisory_lock_shared', 'pg_try_advisory_xact_lock_shared()'],
  ['dblink_connect', undefined],
  ['dblink_connect_u', undefined],
  ['setseed', undefined],
])
const OTHER_NAMES: ReadonlySet<string> = new Set(['set_config', 'pg_temp', 'pg_settings'])
const ENDS_WITH_TRANSACTION: ReadonlySet<string> = new Set(['local', 'transaction', 'constraints'])
const BEFORE_TEMPORARY: ReadonlySet<string> = new Set(['or', 'replace', 'global', 'local'])
const TEMPORARY: ReadonlySet<string> = new Set(['temp', 'temporary'])

/**
 * Finds what changes the session. Unlike the flags of `traitsOf`, which may say so too often at the price of a reset, this decides
 * over refusal: a column named `temp` and `set_config(…, true)` pass, and so do DO and CALL, whose doings nobody sees from here.
 */
function findSessionChange(text: string): SessionChange | undefined {
  let statement: string[] = []
  for (const word of tokens(text)) {
    const token = unquoted(word)
    if (token !== ';') {
      statement.push(token)
      continue
    }
    const change = changeOf(statement)
    if (change !== undefined) return change
    statement = []
  }
  return changeOf(statement)
}

/** A quoted name that means the same as the word is the word. */
function unquoted(token: string): string {
  const name = token[0] === '"' ? token.slice(1) : ''
  return FUNCTIONS.has(name) || OTHER_NAMES.has(name) ? name : token
}

function changeOf(statement: readonly string[]): SessionChange | undefined {
  const [first = '', second = ''] = statement
  const command = first.toUpperCase()
  if (COMMANDS.has(first)) {
    // `SET LOCAL …`, and `PREPARE TRANSACTION`, which is about a transaction.
    if (ENDS_WITH_TRANSACTION.has(second)) return undefined
    return changed(command, COMMANDS.get(first))
  }
  if (first === 'declare' && follows(statement, 'with', 'hold')) {
    return changed('DECLARE … WITH HOLD', 'DECLARE without HOLD')
  }
  if (makesTemporary(statement)) {
    return changed(`${command} of a temporary object`, 'CREATE TEMPORARY TABLE … ON COMMIT DROP')
  }
  if (follows(statement, 'update', 'pg_settings'))
    return changed('UPDATE of pg_settings', INSTEAD_OF_SET)
  for (const [index, token] of statement.entries()) {
    if (statement[index + 1] !== '(') continue
    if (token === ESCAPED) return changed(`${command} with a function named in Unicode escapes`)
    if (FUNCTIONS.has(token)) {
      return changed(`${command} with ${token}()`, FUNCTIONS.get(token))
    }
    if (token === 'set_config' && !isLocal(statement, index + 2)) {
      return changed(`${command} with set_config()`, 'set_config(name, value, true)')
    }
  }
  return undefined
}

function changed(what: string, instead?: string): SessionChange {
  return instead === undefined ? { what } : { what, instead }
}

function makesTemporary(statement: readonly string[]): boolean {
  const [first] = statement
  if (first === 'create') {
    // `CREATE [OR REPLACE] [GLOBAL | LOCAL] TEMP …`, or a name in the schema of temporary objects.
    const kind = statement.slice(1).find((token) => !BEFORE_TEMPORARY.has(token))
    if (!TEMPORARY.has(kind ?? '') && !follows(statement, 'pg_temp', '.')) return false
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
  return argument.join(' ') === 'true' || argument.join(' ') === 'is_local = > true'
}

function follows(statement: readonly string[], first: string, second: string): boolean {
  return statement.some((token, index) => token === first && statement[index + 1] === second)
}
