import { ConnectionLostError } from './errors.js'
import type { Executed } from './outcome.js'

/**
 * Says what is known of the outcome where a lost session has undone everything. Other errors than
 * the loss come back as they are.
 */
export function asExecuted(error: unknown, executed: Executed): unknown {
  if (error instanceof ConnectionLostError && error.executed !== executed) {
    return new ConnectionLostError(error.message, {
      executed,
      sqlState: error.sqlState,
      cause: error.cause,
    })
  }
  return error
}
