import type { TransactionStatus } from '../api/driver.js'
import type { Lease } from '../api/lease.js'

/** The session of a lease, for facades that behave as the client of another library does. */
export interface LeasedSession {
  /** Whether the session or the lease is over. */
  readonly over: boolean
  /**
   * Whether the process id of the lease's `info` is the server process that runs its statements,
   * and not one that a pooler made up.
   */
  readonly hasOwnProcess: boolean
  /** How often a reset has undone what borrowers had set in the session. */
  readonly resets: number
  /**
   * The pool's limit for one statement, in milliseconds; 0 for none. It ends what is sent through
   * the lease, and not what is sent through its `raw`.
   */
  readonly statementTimeoutMs: number
  /** See `DriverConnection`; `unknown` once the session or the lease is over. */
  transactionStatus(): TransactionStatus
  /**
   * Keeps what has been set in the session so far: no reset follows on account of it. Does nothing
   * inside a transaction and while a statement is in flight.
   */
  keep(): void
}

/** A lease that tells of its session. A lease around another one hands on what that tells. */
export interface OfSession {
  /** Its session; undefined if the lease underneath does not tell. */
  readonly leasedSession?: LeasedSession | undefined
}

/** The session of a lease; undefined for a lease that does not tell. */
export function leasedSession(lease: Lease): LeasedSession | undefined {
  return (lease as OfSession).leasedSession
}
