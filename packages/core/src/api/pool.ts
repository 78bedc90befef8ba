import type { AcceptsServer } from '../server/server-identity.js'
import type { ServerInUse } from '../server/server-sightings.js'
import type { Endpoint } from '../settings/endpoint.js'
import type { PoolEventEmitter } from './events.js'
import type { Lease } from './lease.js'
import type { ReconfigureOptions, ResizeOptions } from './pool-options.js'
import type { PoolerInEffect } from './pooler.js'
import type { Session, SessionOptions } from './session.js'
import type { Intent, Queryable, QueryResult, Statement } from './statement.js'
import type { PoolSnapshot, PoolStats } from './stats.js'
import type { Streamable } from './streaming.js'
import type { ListenOptions, NotifyListener, Subscription } from './subscription.js'
import type { Transaction, TransactionOptions } from './transaction.js'

/**
 * Options of one acquire.
 *
 * @example
 * const lease = await pool.acquire({
 *   timeoutMs: 500,
 *   signal: AbortSignal.timeout(400),
 *   priority: 1, // before callers with 0
 *   intent: 'read',
 *   maxStalenessMs: 1_000,
 *   maxStalenessBytes: 1_048_576,
 * })
 */
export interface AcquireOptions {
  /** Longest wait in milliseconds. Default: the pool's `acquireTimeoutMs`. */
  timeoutMs?: number | undefined
  /** Aborts the wait. Rejects with `AbortError`. Default: none. */
  signal?: AbortSignal | undefined
  /** Higher is served first; first come first served within one priority. An integer, default 0. */
  priority?: number | undefined
  /** `read` lets a routing pool hand out a replica. Default `write`. */
  intent?: Intent | undefined
  /**
   * Oldest data that a read accepts, in milliseconds. Only routing pools look at it. Default: that
   * of the pool.
   */
  maxStalenessMs?: number | undefined
  /**
   * Most write-ahead log that the node may have left to replay, in bytes. Only routing pools look
   * at it. Default: that of the pool.
   */
  maxStalenessBytes?: number | undefined
}

/**
 * How long to wait for a pool to be ready.
 *
 * @example
 * await pool.ready({ timeoutMs: 5_000, signal: AbortSignal.timeout(4_000) })
 */
export interface ReadyOptions {
  /**
   * Longest wait in milliseconds, for everything together. Default: as long as a call of the pool
   * waits, which is `acquireTimeoutMs` of a connection pool and `hold.timeoutMs` of one that
   * follows a primary (10 000 where calls are not held).
   */
  timeoutMs?: number | undefined
  /** Aborts the wait. Rejects with `AbortError`. Default: none. */
  signal?: AbortSignal | undefined
}

/**
 * How to end a pool.
 *
 * @example
 * await pool.close({ timeoutMs: 5_000, waiters: 'serve' })
 */
export interface CloseOptions {
  /**
   * How long to wait for leases to come back before their work is cancelled and destroyed.
   * Milliseconds, default 10 000.
   */
  timeoutMs?: number | undefined
  /**
   * What happens to callers that wait: `reject` (default) with `PoolClosedError`, or `serve` them
   * within the deadline. So it is wherever they wait: for a connection, for a primary, for a
   * replica that catches up, at a tenant's limits. Those who wait to listen are rejected.
   */
  waiters?: 'reject' | 'serve' | undefined
}

/**
 * The one idea: whatever runs statements and lends connections, to one server or to many, is a
 * `Pool`. `Raw` is the type of `lease.raw`, which the driver sets.
 */
export interface Pool<Raw = unknown>
  extends Queryable,
    Streamable,
    PoolEventEmitter,
    AsyncDisposable {
  /** Name for messages, events and statistics. */
  readonly name: string
  /**
   * Lends a connection until `release()`. Rejects with `AcquireTimeoutError`,
   * `PoolOverloadedError`, `PoolClosedError`, `ConnectError` (see `failFast`) or `AbortError`;
   * nothing was sent in any of these cases.
   *
   * @example
   * const lease = await pool.acquire({ timeoutMs: 500 })
   * try {
   *   await lease.query('select pg_advisory_lock(7)')
   * } finally {
   *   lease.release()
   * }
   */
  acquire(options?: AcquireOptions): Promise<Lease<Raw>>
  /**
   * Lends a connection to `work` and takes it back when `work` settles.
   *
   * @example
   * const rows = await pool.use(async (lease) => {
   *   await lease.query('set search_path to shop')
   *   return (await lease.query('select * from orders')).rows
   * })
   */
  use<R>(work: (lease: Lease<Raw>) => Promise<R>, options?: AcquireOptions): Promise<R>
  /**
   * Runs `work` between BEGIN and COMMIT on one connection; rolls back when `work` rejects. Rejects
   * with what `work` threw, with `TransactionError` if COMMIT answered ROLLBACK, or with
   * `InDoubtError` if COMMIT got no answer.
   *
   * BEGIN goes out with the first statement of `work`, if the driver can send both in one piece. If
   * BEGIN fails, that statement is not run, and both it and the call reject with BEGIN's error,
   * whatever `work` makes of it.
   *
   * @example
   * const total = await pool.transaction(
   *   async (tx) => {
   *     await tx.query('update accounts set balance = balance - 10 where id = $1', [1])
   *     return (await tx.query('select sum(balance) from accounts')).rows[0]
   *   },
   *   { isolation: 'serializable', retry: { attempts: 3 } },
   * )
   */
  transaction<R>(work: (tx: Transaction) => Promise<R>, options?: TransactionOptions): Promise<R>
  /**
   * Runs statements between BEGIN and COMMIT, all in one round trip: resolves with one result for
   * each, in order. What fails first rolls the whole back and rejects; `statementIndex` of the
   * error says which statement it was. A wrong statement, and one that begins or ends a
   * transaction, rejects before anything is sent. All options mean what they mean for a callback.
   *
   * COMMIT has been sent with the rest, so a connection that is lost before the answer leaves the
   * whole in doubt: `InDoubtError`, which `retry` does not repeat. With an `idempotencyKey` it
   * happens exactly once: the key is written first and the results are stored as JSON, so that
   * takes more round trips. A pool that follows the primary learns the identity of the transaction
   * first, one round trip more, so that `InDoubtError.resolve()` tells what became of it. Where
   * `timeoutMs` is absent, the pool's `statementTimeoutMs` holds for the array as a whole. A large
   * array takes one round trip for each 1,000 statements, or 1 MiB of texts and values. A text of
   * several commands makes the statements run one by one, with the same outcome.
   *
   * @example
   * const [debit, credit] = await pool.transaction([
   *   { text: 'update accounts set balance = balance - $1 where id = $2', values: [10, 1] },
   *   { text: 'update accounts set balance = balance + $1 where id = $2', values: [10, 2] },
   * ])
   */
  transaction(
    statements: readonly (Statement | string)[],
    options?: TransactionOptions,
  ): Promise<QueryResult[]>
  /**
   * Calls `onNotify` with the payload of every NOTIFY on a channel. Resolves when the server has
   * acknowledged LISTEN: no notification sent after that is missed without `onGap` being called.
   * All channels share one connection outside `max`, which is replaced when it is lost. `onNotify`
   * and `onGap` run in the caller's async context; what they throw becomes an `error` event.
   *
   * Channel names are case-sensitive and may hold any characters but NUL. Rejects with `TypeError`
   * or `RangeError` for wrong arguments (a name above 63 bytes, which the server would cut off),
   * with `ConnectError` if LISTEN was not acknowledged in time, and with `DatabaseError`,
   * `AbortError`, `PoolClosedError` or, behind a pooler, `SessionStateError`.
   *
   * @example
   * const subscription = await pool.listen('orders', (payload) => refresh(payload), {
   *   onGap: ({ forMs }) => refreshAll(`${forMs} ms may be missing`),
   * })
   * await subscription.close()
   */
  listen(channel: string, onNotify: NotifyListener, options?: ListenOptions): Promise<Subscription>
  /**
   * Resolves when the pool can do what it is for, so that the first call finds it so: for the start
   * of a service, and its readiness probe. Which is: a connection pool has one connection that is
   * open and has proved itself, or is in use (`warm` opens more); a pool that follows the primary
   * knows it, and is ready there; a pool with replicas has a ready primary, and of each replica
   * that answers it knows how far that is behind and has a connection to it. A view is ready when
   * the pool below is. A replica that does not answer, or is still behind what the primary had
   * written when it was first asked, delays this by 2 s at most and makes it fail never: such reads
   * go to the primary.
   *
   * Nothing is sent but what opens and proves connections. Rejects with `AcquireTimeoutError` when
   * no connection could be opened in time (`cause` says why), with `ConnectError` (see `failFast`)
   * or `PoolOverloadedError` at once, with `NoPrimaryError` when no primary was found in time, with
   * `PoolClosedError`, `AbortError`, and with `TypeError` or `RangeError` for wrong options. Keeps
   * the process alive while it waits, and leaves nothing behind.
   *
   * @example
   * await pool.ready({ timeoutMs: 5_000 }) // before the service takes requests
   */
  ready(options?: ReadyOptions): Promise<void>
  /**
   * An immutable picture of counters, gauges and times.
   *
   * @example
   * const { total, idle, pending } = pool.stats()
   */
  stats(): PoolStats
  /**
   * Stops admitting, waits for leases to the deadline, then cancels and destroys. Resolves when
   * sockets are closed; idempotent.
   *
   * @example
   * process.once('SIGTERM', () => pool.close({ timeoutMs: 5_000 }))
   */
  close(options?: CloseOptions): Promise<void>
}

/** A pool of connections to ONE server, as made by `createPool`. */
export interface ConnectionPool<Raw = unknown> extends Pool<Raw> {
  /** The server. */
  readonly endpoint: Endpoint
  /**
   * What stands between the pool and its server, as declared (`pgbouncer`) or as seen when a
   * connection was opened (`noticed`): two of its connections may then end at different servers.
   */
  readonly pooler?: PoolerInEffect | undefined
  /**
   * The servers that its connections lead to now, as each said when the connection was opened: one,
   * unless the name stands for several, as that of a reader endpoint does. Empty before the first
   * connection, behind a pooler, and where the server does not say which it is.
   *
   * @example
   * for (const { server, connections } of pool.servers?.() ?? []) console.log(server, connections)
   */
  servers?(): readonly ServerInUse[]
  /**
   * For those who build pools: a view of this one that uses its connections to accepted servers
   * alone, where the name leads to several. A call that waits while none of them leads there, and
   * new ones lead elsewhere, rejects with a `ConnectError`, and nothing was sent. `destroyAll` of
   * the view destroys these connections, `close` closes nothing.
   *
   * @example
   * declare const expected: ServerIdentity
   * const view = pool.onlyTo?.((server) => server?.systemId === expected.systemId)
   */
  onlyTo?(accepts: AcceptsServer): ConnectionPool<Raw>
  /**
   * A lease if a healthy connection is idle and no caller waits; otherwise undefined. Synchronous.
   *
   * @example
   * const lease = pool.tryAcquire()
   * if (lease === undefined) console.log('busy')
   * else lease.release()
   */
  tryAcquire(): Lease<Raw> | undefined
  /**
   * Opens connections until `count` (default `min`, at least 1) exist. Rejects with the first
   * connect error: use it to fail fast at start.
   *
   * @example
   * await pool.warm(5)
   */
  warm(count?: number): Promise<void>
  /**
   * Changes the sizes; surplus connections leave when they are next idle. Throws `RangeError` for
   * impossible sizes.
   *
   * @example
   * pool.resize({ max: 40 })
   */
  resize(sizes: ResizeOptions): void
  /**
   * New credentials, address or times. A new `connection` replaces the existing ones: what is idle
   * at once, what is in use when it comes back; callers meanwhile wait and are not refused.
   *
   * @example
   * pool.reconfigure({ connection: 'postgres://app@new.example/shop', acquireTimeoutMs: 2_000 })
   */
  reconfigure(options: ReconfigureOptions): void
  /**
   * Holds new acquires in the queue; their deadlines keep running, leases are untouched.
   *
   * @example
   * pool.suspend()
   * try {
   *   await work(pool)
   * } finally {
   *   pool.resume()
   * }
   */
  suspend(): void
  /**
   * Ends `suspend`.
   *
   * @example
   * pool.resume()
   */
  resume(): void
  /**
   * Replaces every connection that exists now: what is idle at once, what is in use when it comes
   * back. What is being opened is begun anew once it has been under way for a quarter of a second,
   * and replaced otherwise. Resolves when the last old one is gone.
   *
   * @example
   * await pool.recycle() // after a change of the role's settings
   */
  recycle(): Promise<void>
  /**
   * Makes every connection that is idle now prove itself before its next use.
   *
   * @example
   * pool.suspect('the network was down')
   */
  suspect(reason: string): void
  /**
   * Destroys idle, connecting and leased connections now; callers settle with the true `executed`.
   *
   * @example
   * pool.destroyAll('the server is not the primary any more')
   */
  destroyAll(reason: string): void
  /**
   * For those who build pools: refuses the callers that wait for a connection, none of whose work
   * was sent; they settle with a `ConnectionLostError` and `executed: 'no'`. Connections stay.
   *
   * @example
   * pool.refuseWaiting?.('the server is drained')
   */
  refuseWaiting?(reason: string): void
  /**
   * For those who build pools: begins anew each connect that is under way, once it has been for a
   * quarter of a second. It may hang, as in a proxy that has lost its server. Those who wait for a
   * connection go on waiting.
   *
   * @example
   * pool.reopen?.('a new session was open at once')
   */
  reopen?(reason: string): void
  /**
   * Longest time in milliseconds that a connection with a statement in flight has heard nothing; 0
   * if none is waiting.
   *
   * @example
   * if (pool.silentForMs() > 5_000) log.warn('a statement hears nothing')
   */
  silentForMs(): number
  /**
   * One connection outside `max`, for monitors. The caller closes it.
   *
   * @example
   * const session = await pool.openSession({ applicationName: 'monitor' })
   * await session.query('select pg_is_in_recovery()')
   * await session.close()
   */
  openSession(options?: SessionOptions): Promise<Session>
  /**
   * Every lease with its age, state, last statement text (never values) and, if sampled, where it
   * was acquired.
   *
   * @example
   * for (const { heldMs, statement } of pool.inspect().leases) console.log(heldMs, statement)
   */
  inspect(): PoolSnapshot
}
