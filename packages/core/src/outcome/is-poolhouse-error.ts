import type { DatabaseError } from './database-error.js'
import type * as errors from './errors.js'
import { PoolhouseError } from './poolhouse-error.js'

/** The class of an error by its code. A `DatabaseError` has the server's SQLSTATE as its code. */
export interface PoolhouseErrors {
  POOLHOUSE_ABORT: errors.AbortError
  POOLHOUSE_ACQUIRE_TIMEOUT: errors.AcquireTimeoutError
  POOLHOUSE_AUTHENTICATION: errors.AuthenticationError
  POOLHOUSE_CONFIG: errors.ConfigError
  POOLHOUSE_CONNECT: errors.ConnectError
  POOLHOUSE_CONNECTION_LOST: errors.ConnectionLostError
  POOLHOUSE_DRAIN: PoolhouseError
  POOLHOUSE_ERROR: PoolhouseError
  POOLHOUSE_FENCED: errors.FencedError
  POOLHOUSE_IN_DOUBT: errors.InDoubtError
  POOLHOUSE_LEASE_BUSY: errors.LeaseBusyError
  POOLHOUSE_LEASE_RELEASED: errors.LeaseReleasedError
  POOLHOUSE_NO_PRIMARY: errors.NoPrimaryError
  POOLHOUSE_NO_SUITABLE_NODE: errors.NoSuitableNodeError
  POOLHOUSE_POOL_CLOSED: errors.PoolClosedError
  POOLHOUSE_POOL_DEADLOCK: errors.PoolDeadlockError
  POOLHOUSE_POOL_OVERLOADED: errors.PoolOverloadedError
  POOLHOUSE_READ_INTENT: errors.ReadIntentError
  POOLHOUSE_SESSION_STATE: errors.SessionStateError
  POOLHOUSE_STATEMENT_TIMEOUT: errors.StatementTimeoutError
  POOLHOUSE_SWITCHOVER: PoolhouseError
  POOLHOUSE_TOKEN_BEYOND_HISTORY: errors.TokenBeyondHistoryError
  POOLHOUSE_TRANSACTION: errors.TransactionError
  POOLHOUSE_UNKNOWN_TENANT: errors.UnknownTenantError
  POOLHOUSE_WRONG_TENANT: errors.WrongTenantError
}

/** A code of an error of ours that is none of the server. */
export type PoolhouseErrorCode = keyof PoolhouseErrors

type Digit = '0' | '1' | '2' | '3' | '4' | '5' | '6' | '7' | '8' | '9'
// biome-ignore format: the alphabet in three lines
type Letter =
  | 'A' | 'B' | 'C' | 'D' | 'E' | 'F' | 'G' | 'H' | 'I' | 'J' | 'K' | 'L' | 'M'
  | 'N' | 'O' | 'P' | 'Q' | 'R' | 'S' | 'T' | 'U' | 'V' | 'W' | 'X' | 'Y' | 'Z'

/** The text if it can be a SQLSTATE: five digits and capital letters. */
type SqlState<Text extends string> =
  Text extends `${infer A}${infer B}${infer C}${infer D}${infer E}`
    ? A | B | C | D | E extends Digit | Letter
      ? Text
      : never
    : never

/**
 * True for every error made by Poolhouse, whichever copy of it made the error. With a code only for
 * that one, as the class of that code; a SQLSTATE such as `'23505'` is the code of a
 * `DatabaseError`. A text that is neither does not compile.
 *
 * ```ts
 * if (isPoolhouseError(error, 'POOLHOUSE_ACQUIRE_TIMEOUT')) console.log(error.waitedMs)
 * if (isPoolhouseError(error, '23505')) console.log(error.constraint)
 * ```
 */
export function isPoolhouseError(error: unknown): error is PoolhouseError
/** As above, for the errors of one code. */
export function isPoolhouseError<Code extends PoolhouseErrorCode>(
  error: unknown,
  code: Code,
): error is PoolhouseErrors[Code] & { readonly code: Code }
/** As above, for what the server said with one SQLSTATE. */
export function isPoolhouseError<Code extends string>(
  error: unknown,
  code: Code & SqlState<Code>,
): error is DatabaseError & { readonly code: Code }
export function isPoolhouseError(error: unknown, code?: string): error is PoolhouseError {
  return error instanceof PoolhouseError && (code === undefined || error.code === code)
}
