import type { DatabaseError } from './database-error.js'
import type * as errors from './errors.js'
import { PoolhouseError } from './poolhouse-error.js'

/** The class of an error by its code. A `DatabaseError` has the server's SQLSTATE as its code. */
export interface PoolhouseErrors {
  /** The signal of the call fired. */
  POOLHOUSE_ABORT: errors.AbortError
  /** No connection was free before the deadline. */
  POOLHOUSE_ACQUIRE_TIMEOUT: errors.AcquireTimeoutError
  /** The server refused the user or the password. */
  POOLHOUSE_AUTHENTICATION: errors.AuthenticationError
  /** The configuration is wrong. */
  POOLHOUSE_CONFIG: errors.ConfigError
  /** No connection could be opened. */
  POOLHOUSE_CONNECT: errors.ConnectError
  /** The connection ended during the call. */
  POOLHOUSE_CONNECTION_LOST: errors.ConnectionLostError
  /** The node could not be drained. */
  POOLHOUSE_DRAIN: PoolhouseError
  /** What has no code of its own. */
  POOLHOUSE_ERROR: PoolhouseError
  /** The node claims to be primary on an older timeline. */
  POOLHOUSE_FENCED: errors.FencedError
  /** It is unknown whether the work was committed. */
  POOLHOUSE_IN_DOUBT: errors.InDoubtError
  /** The lease does other work, beside which this cannot run. */
  POOLHOUSE_LEASE_BUSY: errors.LeaseBusyError
  /** The lease was given back before. */
  POOLHOUSE_LEASE_RELEASED: errors.LeaseReleasedError
  /** There was no primary before the deadline. */
  POOLHOUSE_NO_PRIMARY: errors.NoPrimaryError
  /** No node fits the call. */
  POOLHOUSE_NO_SUITABLE_NODE: errors.NoSuitableNodeError
  /** The pool is closed. */
  POOLHOUSE_POOL_CLOSED: errors.PoolClosedError
  /** Work that holds leases waits for more of them. */
  POOLHOUSE_POOL_DEADLOCK: errors.PoolDeadlockError
  /** Too many callers wait. */
  POOLHOUSE_POOL_OVERLOADED: errors.PoolOverloadedError
  /** A declared read would write. */
  POOLHOUSE_READ_INTENT: errors.ReadIntentError
  /** What changes or needs a session of its own, where there is none. */
  POOLHOUSE_SESSION_STATE: errors.SessionStateError
  /** The call took longer than its limit. */
  POOLHOUSE_STATEMENT_TIMEOUT: errors.StatementTimeoutError
  /** The planned switchover failed. */
  POOLHOUSE_SWITCHOVER: PoolhouseError
  /** A failover has lost what the session had seen. */
  POOLHOUSE_TOKEN_BEYOND_HISTORY: errors.TokenBeyondHistoryError
  /** The transaction cannot do that, or is over. */
  POOLHOUSE_TRANSACTION: errors.TransactionError
  /** There is no such tenant. */
  POOLHOUSE_UNKNOWN_TENANT: errors.UnknownTenantError
  /** The call is in the scope of another tenant. */
  POOLHOUSE_WRONG_TENANT: errors.WrongTenantError
}

interface WithCode<Code extends string> {
  /** Which error it is. */
  readonly code: Code
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
 * @example
 * if (isPoolhouseError(error, 'POOLHOUSE_ACQUIRE_TIMEOUT')) console.log(error.waitedMs)
 * if (isPoolhouseError(error, '23505')) console.log(error.constraint)
 */
export function isPoolhouseError(error: unknown): error is PoolhouseError
/**
 * As above, for the errors of one code.
 *
 * @example
 * if (isPoolhouseError(error, 'POOLHOUSE_ACQUIRE_TIMEOUT')) console.log(error.waitedMs)
 */
export function isPoolhouseError<Code extends PoolhouseErrorCode>(
  error: unknown,
  code: Code,
): error is PoolhouseErrors[Code] & WithCode<Code>
/**
 * As above, for what the server said with one SQLSTATE.
 *
 * @example
 * if (isPoolhouseError(error, '23505')) console.log(error.constraint)
 */
export function isPoolhouseError<Code extends string>(
  error: unknown,
  code: Code & SqlState<Code>,
): error is DatabaseError & WithCode<Code>
export function isPoolhouseError(error: unknown, code?: string): error is PoolhouseError {
  return error instanceof PoolhouseError && (code === undefined || error.code === code)
}
