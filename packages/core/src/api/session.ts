import type { ServerIdentity } from '../server/server-identity.js'
import type { ConnectionInfo } from './driver.js'
import type { Queryable } from './statement.js'

/**
 * Options of `openSession`.
 *
 * @example
 * const session = await pool.openSession({
 *   timeoutMs: 2_000,
 *   signal: AbortSignal.timeout(1_500),
 *   applicationName: 'monitor',
 *   onNotification: (channel, payload) => console.log(channel, payload),
 * })
 */
export interface SessionOptions {
  /** Longest time to open it, in milliseconds. Default: the pool's `connectTimeoutMs`. */
  timeoutMs?: number | undefined
  /** Aborts the opening. Default: none. */
  signal?: AbortSignal | undefined
  /** Value of `application_name`, to tell monitors apart on the server. Default: the pool's. */
  applicationName?: string | undefined
  /**
   * Called with channel and payload of every notification that the session gets; its order relative
   * to `listen` is that of the server. Default: notifications are dropped.
   */
  onNotification?: ((channel: string, payload: string) => void) | undefined
}

/**
 * One connection outside the pool's `max`. It is dead once its socket closes and is never
 * re-opened.
 */
export interface Session extends Queryable, AsyncDisposable {
  /** Address, process id and parameters. */
  readonly info: ConnectionInfo
  /**
   * The server that it leads to, as that said when the session was opened; undefined if it did not,
   * and behind a pooler.
   */
  readonly server?: ServerIdentity | undefined
  /** Aborted when the session is over; `signal.reason` says why. */
  readonly signal: AbortSignal
  /** True once the session is over. */
  readonly closed: boolean
  /**
   * Lets the session's socket keep the process alive (`true`) or not (`false`, the default).
   *
   * @example
   * monitor.keepAlive(true) // the process runs on until monitor.close()
   */
  keepAlive(on: boolean): void
  /**
   * Subscribes it to a channel, whose name may hold any characters. Resolves when the server has
   * acknowledged LISTEN. The caller sets the deadline.
   *
   * @example
   * const onNotification = (_channel: string, payload: string) => refresh(payload)
   * const session = await pool.openSession({ onNotification })
   * await session.listen('orders')
   */
  listen(channel: string): Promise<void>
  /**
   * One round trip that proves it alive. The caller sets the deadline.
   *
   * @example
   * await monitor.ping()
   */
  ping(): Promise<void>
  /**
   * Ends the session politely.
   *
   * @example
   * await monitor.close()
   */
  close(): Promise<void>
  /**
   * Breaks the socket now; statements in flight fail.
   *
   * @example
   * monitor.destroy('no answer for 5 s')
   */
  destroy(reason: string): void
}
