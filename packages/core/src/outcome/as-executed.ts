import { setStatement } from './database-error.js'
import { ConnectionLostError } from './errors.js'
import type { Executed } from './outcome.js'

/**
 * Says what is known of the outcome where a lost session has undone everything. Other errors than
 * the loss come back as they are.
 */
export function asExecuted(error: unknown, executed: Executed): unknown {
  if (error instanceof ConnectionLostError && error.executed !== executed) {
    const { sqlState, cause, statement } = error
    const known = new ConnectionLostError(error.message, { executed, sqlState, cause })
    if (statement !== undefined) setStatement(known, statement)
    return known
  }
  return error
}
