import type { Clock } from '../base/clock.js'
import type { MultiplexOptions } from '../options/multiplex-options.js'
import type { OverloadOptions } from '../options/overload-options.js'
import type { PoolWatchdogOptions } from '../options/watchdog-options.js'
import type { AuthMethod } from '../settings/auth-method.js'
import type { ConnectionOptions } from '../settings/connection-settings.js'
import type { TypesOption } from '../types/type-parsers.js'
import type { ConnectionBudget } from './connection-budget.js'
import type { Driver, ErrorDetail } from './driver.js'
import type { Pooler } from './pooler.js'

/** When a session is reset between two borrowers. */
export type ResetMode = 'auto' | 'always'

/**
 * Options of `createPool`. Durations are milliseconds; sizes count connections unless they say
 * otherwise.
 *
 * @example
 * const options: PoolOptions = {
 *   driver: nodePostgres(),
 *   connection: 'postgres://app@db.example/shop',
 *   name: 'shop', // default host:port/database
 *   max: 20, // connections
 *   min: 2,
 *   acquireTimeoutMs: 3_000,
 *   connectTimeoutMs: 2_000,
 *   statementTimeoutMs: 30_000,
 *   idleTimeoutMs: 5 * 60_000,
 *   maxLifetimeMs: 60 * 60_000,
 *   maxUses: 10_000, // times
 *   maxPending: 200, // callers
 *   leakWarningMs: 10_000,
 *   validateAfterIdleMs: 5_000,
 *   failFast: false,
 * }
 */
export interface PoolOptions {
  /** The adapter: `nodePostgres()` or another implementation of `Driver`. */
  driver: Driver
  /**
   * One server: a URL in libpq form, or an object.
   *
   * @example
   * createPool({ driver, connection: 'postgres://app:secret@db.example:5432/shop' })
   * createPool({ driver, connection: { host: 'db.example', user: 'app', password } })
   */
  connection: string | ConnectionOptions
  /** Name for messages, events and statistics. Default `host:port/database`. */
  name?: string | undefined
  /** Most connections. Default 10. */
  max?: number | undefined
  /** Connections that are opened at once and kept. Default 0. */
  min?: number | undefined
  /**
   * Longest wait for a connection, in milliseconds. Default 10 000. When it passes, `acquire()`
   * rejects with `AcquireTimeoutError`; a connection already being opened is kept for the next
   * caller.
   */
  acquireTimeoutMs?: number | undefined
  /**
   * Whether callers are refused at once, with the `ConnectError`, when no wait can mend why no
   * connection opens: until the pool has connected once, an unknown host name, a server that does
   * not speak PostgreSQL's protocol and a TLS handshake that fails; at any time, a certificate that
   * cannot be verified, a server without TLS, a refused user or password and a missing database.
   * `false`: they wait within their deadline, for a name or a database that is still to be made.
   * A refused port and a server that starts (57P03) are retried within the deadline in any case.
   * Default true.
   */
  failFast?: boolean | undefined
  /**
   * Longest time to open one connection, look-up to authentication, in milliseconds. Default 5 000.
   */
  connectTimeoutMs?: number | undefined
  /**
   * Longest time for one statement, in milliseconds; 0 for none. Default 60 000. Passing it cancels
   * the statement on the server.
   */
  statementTimeoutMs?: number | undefined
  /** How long a connection above `min` may be idle, in milliseconds. Default 60 000; 0 for ever. */
  idleTimeoutMs?: number | undefined
  /**
   * How long a connection may live, in milliseconds, less up to 10 % drawn at its birth. Default
   * 1 800 000; 0 for ever.
   */
  maxLifetimeMs?: number | undefined
  /** How many times a connection may be lent. Default `Infinity`. */
  maxUses?: number | undefined
  /** Most callers waiting; the next is refused with `PoolOverloadedError`. Default 1 000. */
  maxPending?: number | undefined
  /**
   * How long a lease may be out, and a stream or a copy may stand still, before a `leak` event, in
   * milliseconds. Default 30 000; 0 for never.
   */
  leakWarningMs?: number | undefined
  /**
   * Idle time in milliseconds after which a connection must prove itself before its next use.
   * Default 10 000.
   */
  validateAfterIdleMs?: number | undefined
  /**
   * `auto`, the same as `{ maxAgeMs: 1000 }`: a statement with values and without a name is
   * prepared on each connection from its third use on, at most 100 for each, and parsed anew at the
   * latest `maxAgeMs` after it was parsed. Definitions that this pool changes count at once; of
   * those that others change, a statement may use the old parameter types for that long, and a
   * write may store by them. `{ maxAgeMs: 0 }` and `off`: only named statements are prepared.
   * Behind a pooler, declared or noticed, it is `off`, and names are ignored too. Default `auto`.
   *
   * @example
   * createPool({ driver, connection, prepare: { maxAgeMs: 10_000 } })
   */
  prepare?: 'auto' | 'off' | PrepareOptions | undefined
  /**
   * `pgbouncer`: between the pool and the server stands PgBouncer in transaction mode, where each
   * transaction may run in another server session. Nothing is prepared and names of statements are
   * ignored; statements that change a session beyond their transaction (SET without LOCAL, LISTEN,
   * PREPARE, session advisory locks, temporary tables, …) are refused with `SessionStateError`; a
   * session whose `raw` was taken is closed instead of reset; `connection.parameters` are refused.
   * Left out, it is `pgbouncer` if the connection looks like a pooler: a host name whose first part
   * ends in `-pooler`, the port of a vendor's pooler, `pgbouncer=true`. Else each new connection is
   * asked which server process answers, which costs one round trip. If it is another one than was
   * announced at log-in, a pooler stands in between: a `pooler` event tells, and the pool works as
   * with `pgbouncer` from then on. `none`: each connection has a server session of its own (no
   * pooler, or one in session mode); nothing is refused. Each new connection is asked which server
   * it leads to. Default: what the connection looks like.
   *
   * @example
   * createPool({ driver, connection: 'postgres://app@pgbouncer:6432/shop', pooler: 'pgbouncer' })
   */
  pooler?: Pooler | undefined
  /**
   * Parsers in place of the canonical ones, by OID or by name of a built-in type:
   * `{ int8: BigInt, numeric: Number }`. The parser of an element's type is used in its arrays as
   * well. Default: none, so that values come as `docs/types.md` says.
   *
   * @example
   * createPool({ driver, connection, types: { int8: BigInt, numeric: Number } })
   */
  types?: TypesOption | undefined
  /**
   * How a server may ask us to log in: `none` (it lets us in without a question, as `trust` and
   * client certificates do), `password` (in clear text), `md5`, `scram-sha-256`. Default:
   * `require_auth` of the URL; else `['scram-sha-256']` when there is a password and TLS does not
   * verify the server, so that an impostor at the server's address can neither get the password nor
   * pass for the server; otherwise all. A server that asks for anything else is refused with
   * `AuthenticationError`.
   *
   * @example
   * createPool({ driver, connection, requireAuth: ['scram-sha-256'] })
   */
  requireAuth?: readonly AuthMethod[] | undefined
  /**
   * Sheds load when the queue does not drain: if even the shortest wait of `intervalMs` was above
   * `targetMs`, callers who have waited longer than twice the target get `PoolOverloadedError`
   * until a wait falls below it, and so do, at once, callers whose time is shorter than what the
   * last one had to wait. Default: off.
   *
   * @example
   * createPool({ driver, connection, overload: { targetMs: 50, intervalMs: 1_000 } })
   */
  overload?: OverloadOptions | false | undefined
  /**
   * A bounded number of connections that this pool shares with others of its server; a manager has
   * one for each server. A caller then also waits, within its deadline, while the permits are out.
   * Default: none, so that `max` alone bounds the pool.
   *
   * @example
   * declare const budget: ConnectionBudget // of your own
   * createPool({ driver, connection, budget })
   */
  budget?: ConnectionBudget | undefined
  /**
   * When a session is reset between two borrowers. `auto` (default): when something shows that it
   * was changed, which is the text of a statement, the server's transaction status, a parameter
   * that the server reports, or that `raw` was taken. What a function changed without any of these
   * is not seen. `always`: also in front of each borrower's first statement, in one piece with it
   * and without a round trip; a session that cannot be reset is destroyed, and the statement runs
   * on another one; only the holder of a lease is told, by an error with `executed: 'no'`. Refused
   * together with `pooler: 'pgbouncer'`; where a pooler is noticed no connection is opened.
   *
   * @example
   * createPool({ driver, connection, reset: 'always' })
   */
  reset?: ResetMode | undefined
  /**
   * Whether errors of the server carry its `detail`, `hint` and `where`, which may repeat values of
   * rows and statements. `drop` keeps them out of every error, cause and event, over every driver;
   * SQLSTATE, message, position and names of tables, columns, types and constraints stay, and of
   * the text of the statement all but its strings. The message itself may hold a value too, as in
   * `invalid input syntax for type integer: "x"`. Default `keep`.
   *
   * @example
   * createPool({ driver, connection, errorDetail: 'drop' })
   */
  errorDetail?: ErrorDetail | undefined
  /**
   * Finds connections that are half open: their server's side has vanished and new ones work, as
   * after a NAT time-out. When a busy connection has heard nothing for `silenceMs`, the server is
   * asked about its session, over a connection of its own outside `max`, and is given `timeoutMs`
   * and the time of a connect for each answer. If the session is gone there, or waits for us in two
   * answers, the connection is destroyed: its call rejects with `ConnectionLostError` (`executed:
   * 'unknown'`), and callers who wait get new connections. A statement at work is left alone,
   * however slow, and so is a `copyFrom` of whose data anything arrives between two answers that
   * are `silenceMs` and half a second apart. Nothing is asked behind a pooler, or where the server
   * does not say who it is. `false`: never, so that such a call ends at its own deadline. In a pool
   * that is given to `withFailover`, the `watchdog` option of that one rules. Default `{ silenceMs:
   * 2000, timeoutMs: 400 }`.
   *
   * @example
   * createPool({ driver, connection, watchdog: { silenceMs: 1_000, timeoutMs: 300 } })
   */
  watchdog?: PoolWatchdogOptions | false | undefined
  /**
   * Whether `query()` shares a few connections with other callers, so that many short reads travel
   * together. `auto`: as many connections as they need, with at most 256 statements in flight on
   * each; an object sets these numbers. Only a single statement that reads shares: its functions
   * and operators are known built-in ones that leave the session alone, and it was quick on a
   * connection of its own before. Each is a transaction of its own with an answer or error of its
   * own. Everything else has a connection to itself: writes, `acquire`, `use`, `transaction`,
   * `stream`, COPY, LISTEN, and with `false` every statement. Nothing is shared behind a pooler,
   * declared or noticed. An object is refused over a driver that sends one statement at a time, and
   * both `auto` and an object together with `reset: 'always'`. Default `auto`, which steps aside
   * there.
   *
   * @example
   * createPool({ driver, connection, multiplex: { connections: 4, maxInFlight: 100 } })
   */
  multiplex?: 'auto' | MultiplexOptions | false | undefined
  /**
   * Time source; tests give a virtual one. Default: the system's monotonic clock.
   *
   * @example
   * createPool({ driver, connection, clock: virtualClock() }) // of @poolhouse/core/testing
   */
  clock?: Clock | undefined
  /**
   * Random source from 0 (included) to 1 (excluded), for jitter. Default `Math.random`.
   *
   * @example
   * createPool({ driver, connection, random: () => 0.5 })
   */
  random?: (() => number) | undefined
}

/**
 * How statements without a name are prepared.
 *
 * @example
 * createPool({ driver, connection, prepare: { maxAgeMs: 10_000 } })
 */
export interface PrepareOptions {
  /**
   * Longest time that a prepared statement is used after it was parsed, however often it is used,
   * in milliseconds. Default 1 000; 0 prepares none. It bounds how long changes of types, tables
   * and functions that are not made through the pool can go unseen.
   */
  maxAgeMs: number
}

/**
 * Sizes that `resize` changes.
 *
 * @example
 * pool.resize({ max: 40, min: 4 })
 */
export interface ResizeOptions {
  /** Most connections. */
  max?: number | undefined
  /** Connections kept open. */
  min?: number | undefined
}

/** The options that are numbers. */
export type NumericOption =
  | 'max'
  | 'min'
  | 'acquireTimeoutMs'
  | 'connectTimeoutMs'
  | 'statementTimeoutMs'
  | 'idleTimeoutMs'
  | 'maxLifetimeMs'
  | 'maxUses'
  | 'maxPending'
  | 'leakWarningMs'
  | 'validateAfterIdleMs'

/** What `reconfigure` changes; everything else needs a new pool. */
export type ReconfigureOptions = Partial<
  Pick<PoolOptions, 'connection' | 'watchdog' | 'multiplex' | NumericOption>
>
