import { PoolhouseError } from './poolhouse-error.js'

// On the global registry, so that it is the same for every copy of this package.
const PASSED_OVER: unique symbol = Symbol.for('poolhouse.passedOver') as never

/**
 * The error of a statement that the server passed over, because one that was sent before it in the
 * same step failed with `cause`.
 */
export function passedOverError(cause: Error): PoolhouseError {
  const error = new PoolhouseError(
    `the statement was not run, because one sent before it failed: ${cause.message}`,
    { executed: 'no', cause },
  )
  return Object.defineProperty(error, PASSED_OVER, { value: true })
}

/** Whether an error says that the server passed over the statement. */
export function isPassedOver(error: unknown): boolean {
  return error instanceof Error && PASSED_OVER in error
}
