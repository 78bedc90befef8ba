import type { ConnectionInfo } from './driver.js'
import type { Queryable } from './statement.js'

/** Options of `openSession`. */
export interface SessionOptions {
  /** Longest time to open it, in milliseconds. Default: the pool's `connectTimeoutMs`. */
  timeoutMs?: number | undefined
  /** Aborts the opening. */
  signal?: AbortSignal | undefined
  /** Value of `application_name`, to tell monitors apart on the server. Default: the pool's. */
  applicationName?: string | undefined
}

/** One connection outside the pool's `max`. It is dead once its socket closes and is never re-opened. */
export interface Session extends Queryable, AsyncDisposable {
  /** Address, process id and parameters. */
  readonly info: ConnectionInfo
  /** Aborted when the session is over; `signal.reason` says why. */
  readonly signal: AbortSignal
  /** True once the session is over. */
  readonly closed: boolean
  /** Lets the session's socket keep the process alive (`true`) or not (`false`, the default). */
  keepAlive(on: boolean): void
  /** Ends the session politely. */
  close(): Promise<void>
  /** Breaks the socket now; statements in flight fail. */
  destroy(reason: string): void
}
