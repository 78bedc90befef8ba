import type { PoolerInEffect } from '../api/pooler.js'
import type { Statement } from '../api/statement.js'
import { FOR_DRIVER, piggybackOf, type WithForDriver } from '../api/statement.js'
import { SessionStateError } from '../outcome/errors.js'
import { findSessionChange } from '../sql/session-change.js'
import { traitsOf } from '../sql/statement-traits.js'
import { CHANGES_SESSION, LOCKS_SESSION } from '../sql/trait-flags.js'

/**
 * The statement as it may be sent. Without a pooler that is the statement. Through one it is sent
 * without its name, because the session that knows the name may be another one by the next call.
 * Throws `SessionStateError` for a statement whose effect would outlive its transaction. `escapes`
 * tells that `standard_conforming_strings` is off.
 */
export function throughPooler(
  pool: string,
  pooler: PoolerInEffect | undefined,
  statement: Statement,
  escapes = false,
): Statement {
  if (pooler === undefined) return statement
  const { text, values, name, rowMode, undecoded } = statement
  refuseSessionChange(pool, pooler, text, escapes)
  // A piggybacked statement could run in another session.
  const alone = name === undefined && piggybackOf(statement) === undefined
  if (alone) return statement
  const unnamed = { text, values, rowMode, undecoded }
  const told = (statement as WithForDriver)[FOR_DRIVER]
  return told === undefined ? unnamed : Object.assign(unnamed, { [FOR_DRIVER]: told })
}

/** Throws `SessionStateError` for a text whose effect would outlive its transaction. */
function refuseSessionChange(
  pool: string,
  pooler: PoolerInEffect,
  text: string,
  escapes: boolean,
): void {
  if ((traitsOf(text, escapes) & (CHANGES_SESSION | LOCKS_SESSION)) === 0) return
  const change = findSessionChange(text, escapes ? 'escape' : 'literal')
  if (change === undefined) return
  const instead = change.instead === undefined ? '' : `use ${change.instead} in a transaction, or `
  throw new SessionStateError(
    `pool "${pool}" cannot send ${change.what}: it changes a server session, and ${withPooler(pooler)}, the next transaction may run in another one; ${instead}${otherwise(pooler)}`,
  )
}

/**
 * Throws `SessionStateError` for something that needs a session of its own, such as `listen`.
 * `what` names the call.
 */
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

function withPooler(pooler: PoolerInEffect): string {
  return pooler === 'noticed'
    ? "with a pooler in between, as noticed when connecting and without option pooler: 'none'"
    : `with pooler '${pooler}'`
}

function otherwise(pooler: PoolerInEffect): string {
  const direct = 'use a pool that goes straight to the server'
  return pooler === 'noticed'
    ? `${direct}, or pooler: 'none' if each connection has a server session of its own`
    : direct
}
