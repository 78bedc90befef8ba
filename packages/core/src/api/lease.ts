import type { ServerIdentity } from '../server/server-identity.js'
import type { ConnectionInfo } from './driver.js'
import type { Batchable, Queryable } from './statement.js'
import type { Streamable } from './streaming.js'

/**
 * A connection held by one caller. After `release()` or `destroy()` every call rejects with
 * `LeaseReleasedError`. `Raw` is the type of `raw`, which the driver sets.
 */
export interface Lease<Raw = unknown> extends Queryable, Batchable, Streamable, AsyncDisposable {
  /** Number of the connection within its pool, for logs. */
  readonly connection: number
  /** Name of the pool of the node it leads to. */
  readonly node: string
  /** Address, process id and parameters of the session. */
  readonly info: ConnectionInfo
  /**
   * The server that it leads to, as that said when the connection was opened; undefined if it did
   * not, and behind a pooler.
   */
  readonly server?: ServerIdentity | undefined
  /** Aborted when the session dies or the lease ends; `signal.reason` says why. */
  readonly signal: AbortSignal
  /**
   * An object of the driver's library on this session (`pg.Client`, `Sql` of postgres.js), made
   * when it is first read. When the lease is over it refuses with `LeaseReleasedError`, as the
   * library itself would. The session is reset afterwards, or ended where a reset cannot undo what
   * was sent. Its calls and those of the lease that are not awaited may pass each other.
   */
  readonly raw: Raw
  /**
   * Gives the connection back. The second call does nothing but an event.
   *
   * @example
   * const lease = await pool.acquire()
   * try {
   *   await work(lease)
   * } finally {
   *   lease.release()
   * }
   */
  release(): void
  /**
   * Gives the connection back to be thrown away.
   *
   * @example
   * const lease = await pool.acquire()
   * lease.destroy('its session is in an unknown state')
   */
  destroy(reason?: string): void
}
