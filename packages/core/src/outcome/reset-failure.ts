import { ConnectionLostError } from './errors.js'

// On the global registry, so that it is the same for every copy of this package.
const RESET_FAILURE: unique symbol = Symbol.for('poolhouse.resetFailure') as never

/**
 * The error of work that was not begun, because the reset that travelled in front of it failed with
 * `cause`. Its session is over. `executed` is `no`, so that the work can be done on another
 * connection.
 */
export function resetFailure(cause: Error): ConnectionLostError {
  const error = new ConnectionLostError(
    `the session could not be reset before its first statement, which was not run: ${cause.message}`,
    { executed: 'no', cause },
  )
  return Object.defineProperty(error, RESET_FAILURE, { value: true })
}

/** Whether an error says that work was not begun because its session could not be reset. */
export function isResetFailure(error: unknown): boolean {
  return error instanceof Error && RESET_FAILURE in error
}
