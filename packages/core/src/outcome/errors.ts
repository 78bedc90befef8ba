import { AsyncResource } from 'node:async_hooks'
import { printable } from '../base/printable.js'
import type { Durability, Executed } from './executed.js'
import { meaningOf, type ServerWords } from './sqlstate.js'
import {
  type OutcomeResolver,
  type ResolveOptions,
  readResolveOptions,
  type TransactionOutcome,
} from './transaction-outcome.js'

/** What every Poolhouse error carries beside its message. */
export interface PoolhouseErrorOptions {
  /** Stable code: `POOLHOUSE_…`, or the SQLSTATE of a `DatabaseError`. */
  code?: string
  /** Whether the server may have done the work. */
  executed?: Executed
  /** How safe the work is, where it was done and that is known. */
  durability?: Durability | undefined
  /** Whether the same call may succeed later without a change to it. */
  retryable?: boolean
  /** The error underneath. */
  cause?: unknown
}

// Two copies of this package in one process must recognise each other's errors, so classes are told
// apart by a list of names under a registered symbol and not by prototype identity.
const BRAND = Symbol.for('poolhouse.error')
const ROUTINE = Symbol.for('poolhouse.routine')

function brand(type: { prototype: object }, name: string, code: string): void {
  const parent = (type.prototype as Record<symbol, readonly string[] | undefined>)[BRAND] ?? []
  Object.defineProperty(type.prototype, BRAND, { value: [...parent, name] })
  Object.defineProperty(type.prototype, 'name', { value: name, configurable: true, writable: true })
  Object.defineProperty(type.prototype, 'code', { value: code, configurable: true, writable: true })
}

/**
 * The base of every error that Poolhouse makes. `instanceof` works across duplicate installations.
 */
export class PoolhouseError extends Error {
  static {
    brand(this, 'PoolhouseError', 'POOLHOUSE_ERROR')
  }

  /** Stable within a major version: `POOLHOUSE_…`, or the SQLSTATE of a `DatabaseError`. */
  declare readonly code: string
  /** Whether the server may have done the work. */
  readonly executed: Executed
  /** Whether the same call may succeed later without a change to it. */
  readonly retryable: boolean
  /**
   * With `executed: 'yes'` and `local`: the work is committed on the primary alone, because its
   * wait for the synchronous standbys was cancelled, and a failover may lose it. Absent otherwise.
   */
  declare readonly durability?: Durability

  /** Makes an error; subclasses choose the defaults of `code`, `executed` and `retryable`. */
  constructor(message: string, options: PoolhouseErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    if (options.code !== undefined) {
      Object.defineProperty(this, 'code', { value: options.code, enumerable: true })
    }
    this.executed = options.executed ?? 'no'
    this.retryable = options.retryable ?? false
    if (options.durability !== undefined) {
      Object.defineProperty(this, 'durability', { value: options.durability, enumerable: true })
    }
  }

  /** True for an instance of this class or of a subclass, made by any copy of the package. */
  static override [Symbol.hasInstance](value: unknown): boolean {
    // A class that somebody derived outside has no brand of its own: plain prototype identity is
    // right for it.
    if (!Object.hasOwn(this.prototype, BRAND))
      return Function.prototype[Symbol.hasInstance].call(this, value)
    const names = (value as Record<symbol, unknown> | null | undefined)?.[BRAND]
    return Array.isArray(names) && names.includes(this.prototype.name)
  }
}

/** True for every error made by Poolhouse, whichever copy of it; with `code`, only for that one. */
export function isPoolhouseError(error: unknown, code?: string): error is PoolhouseError {
  return error instanceof PoolhouseError && (code === undefined || error.code === code)
}

/** The state of a pool at the moment a caller gave up, for messages a human reads at 3 a.m. */
export interface PoolGauges {
  /** Name of the pool. */
  pool: string
  /** `host:port/database`. */
  endpoint: string
  /** Connections open or being opened. */
  total: number
  /** Connections nobody holds. */
  idle: number
  /** Connections held by callers. */
  leased: number
  /** Connections being opened. */
  connecting: number
  /** Callers waiting. */
  pending: number
  /** Most connections the pool may have. */
  max: number
}

function describeGauges(gauges: PoolGauges): string {
  return (
    `pool "${gauges.pool}" (${gauges.endpoint}): ${gauges.total} of max ${gauges.max} connections ` +
    `(${gauges.leased} leased, ${gauges.idle} idle, ${gauges.connecting} connecting), ${gauges.pending} pending`
  )
}

/**
 * No connection became free before the deadline. `executed` is `no`. The last connect error, if
 * any, is the `cause`; `shortage` is set where a budget that several pools share had none left.
 */
export class AcquireTimeoutError extends PoolhouseError {
  static {
    brand(this, 'AcquireTimeoutError', 'POOLHOUSE_ACQUIRE_TIMEOUT')
  }

  /** How long the caller waited, in milliseconds. */
  readonly waitedMs: number
  /** The pool when the caller gave up. */
  readonly gauges: PoolGauges
  /** How long the longest-held lease had been out, in milliseconds; undefined if none was. */
  readonly longestHeldMs: number | undefined
  /**
   * Who has the connections of the shared budget that the pool waited for; undefined if it was not
   * the budget.
   */
  readonly shortage: string | undefined

  /** Describes the wait, the pool, the last connect error and what was short. */
  constructor(
    waitedMs: number,
    gauges: PoolGauges,
    longestHeldMs?: number,
    cause?: unknown,
    shortage?: string,
  ) {
    const held =
      longestHeldMs === undefined ? '' : `, longest lease held for ${Math.round(longestHeldMs)} ms`
    const short = shortage === undefined ? '' : `; ${shortage}`
    const last = cause instanceof Error ? `; last connect error: ${cause.message}` : ''
    super(
      `no connection within ${Math.round(waitedMs)} ms; ${describeGauges(gauges)}${held}${short}${last}`,
      { retryable: true, cause },
    )
    this.waitedMs = waitedMs
    this.gauges = gauges
    this.longestHeldMs = longestHeldMs
    this.shortage = shortage
  }
}

/** The wait queue is full (`maxPending`) or the pool sheds load (`overload`). Nothing was sent. */
export class PoolOverloadedError extends PoolhouseError {
  static {
    brand(this, 'PoolOverloadedError', 'POOLHOUSE_POOL_OVERLOADED')
  }

  /** The pool when the call was refused. */
  readonly gauges: PoolGauges

  /** Says why the call was refused; `reason` is a clause such as `maxPending is 1000`. */
  constructor(reason: string, gauges: PoolGauges) {
    super(`overloaded: ${reason}; ${describeGauges(gauges)}`, { retryable: true })
    this.gauges = gauges
  }
}

/** The pool is closing or closed. Nothing was sent. */
export class PoolClosedError extends PoolhouseError {
  static {
    brand(this, 'PoolClosedError', 'POOLHOUSE_POOL_CLOSED')
  }

  /** Names the pool that is closed. `executed` is for work that was open; default `no`. */
  constructor(pool: string, executed: Executed = 'no', durability?: Durability) {
    super(`pool "${pool}" is closed`, { executed, durability })
  }
}

/**
 * A lease was used after `release()` or `destroy()`, or released under an open stream or copy.
 * Otherwise nothing was sent.
 */
export class LeaseReleasedError extends PoolhouseError {
  static {
    brand(this, 'LeaseReleasedError', 'POOLHOUSE_LEASE_RELEASED')
  }

  /** Names the pool the lease came from. `executed` is for work that was open; default `no`. */
  constructor(pool: string, executed: Executed = 'no', durability?: Durability) {
    super(
      `this lease of pool "${pool}" has been released; acquire another, and await every query before releasing`,
      { executed, durability },
    )
  }
}

/**
 * A stream or a copy has the lease to itself, and something else was asked of it. Nothing was sent.
 */
export class LeaseBusyError extends PoolhouseError {
  static {
    brand(this, 'LeaseBusyError', 'POOLHOUSE_LEASE_BUSY')
  }

  /** Names the pool, and what is open on the lease: `stream`, `copyFrom` or `copyTo`. */
  constructor(pool: string, open: string) {
    // Waiting for it would be a deadlock in the very loop that reads it.
    const wayOut = open === 'copyFrom' ? 'await it first' : 'read it to its end or leave its loop'
    super(
      `a ${open} is open on this lease of pool "${pool}" and has it to itself; ${wayOut}, or use another lease`,
    )
  }
}

/**
 * Work that holds leases waits for more of them and nobody else can give one back. Carries both
 * stacks.
 */
export class PoolDeadlockError extends PoolhouseError {
  static {
    brand(this, 'PoolDeadlockError', 'POOLHOUSE_POOL_DEADLOCK')
  }

  /** Where the lease that is held was acquired. */
  readonly heldAt: string
  /** Where the caller waits for another. */
  readonly waitingAt: string

  /**
   * Describes the cycle with the stack of the holder and of the waiter. `within` says whose
   * connections are short: the pool's own, or those of a budget that it shares with others.
   */
  constructor(pool: string, heldAt: string, waitingAt: string, within: 'pool' | 'budget' = 'pool') {
    super(
      within === 'pool'
        ? `pool "${pool}" is deadlocked: every connection is held by work that waits for another one; pass the lease down instead of acquiring again`
        : `pool "${pool}" is deadlocked: every connection of the budget that it could get is held by work that waits for another one; take both before the work, or raise the budget`,
      { retryable: true },
    )
    this.heldAt = heldAt
    this.waitingAt = waitingAt
  }
}

/**
 * A connection could not be opened. Nothing was sent. `cause` is the error of the socket or the
 * server.
 */
export class ConnectError extends PoolhouseError {
  static {
    brand(this, 'ConnectError', 'POOLHOUSE_CONNECT')
  }

  /** `host:port/database`. */
  readonly endpoint: string
  /** SQLSTATE, if the server answered with one. */
  readonly sqlState: string | undefined
  /**
   * Whether trying again is pointless until the configuration or the server changes (28xxx, 3D000).
   */
  readonly fatal: boolean

  /**
   * Names the endpoint; `sqlState` as sent by the server, if it sent one. Control characters in the
   * message are escaped.
   */
  constructor(
    message: string,
    details: { endpoint: string; sqlState?: string | undefined; fatal?: boolean; cause?: unknown },
  ) {
    super(printable(message), { retryable: details.fatal !== true, cause: details.cause })
    this.endpoint = details.endpoint
    this.sqlState = details.sqlState
    this.fatal = details.fatal === true
  }
}

/**
 * The server refused the user or the password (SQLSTATE class 28), or did not prove itself. Nothing
 * was sent.
 */
export class AuthenticationError extends ConnectError {
  static {
    brand(this, 'AuthenticationError', 'POOLHOUSE_AUTHENTICATION')
  }
}

/**
 * The connection went away. `executed` is `unknown` when a statement was on its way, `no` when it
 * was not sent.
 */
export class ConnectionLostError extends PoolhouseError {
  static {
    brand(this, 'ConnectionLostError', 'POOLHOUSE_CONNECTION_LOST')
  }

  /** SQLSTATE of the server's last words (57P01, …), if it said any. */
  readonly sqlState: string | undefined

  /** Retryable when nothing was executed. Control characters in the message are escaped. */
  constructor(
    message: string,
    options: { executed: Executed; sqlState?: string | undefined; cause?: unknown },
  ) {
    super(printable(message), {
      executed: options.executed,
      retryable: options.executed === 'no' || options.executed === 'rolled-back',
      cause: options.cause,
    })
    this.sqlState = options.sqlState
  }
}

/**
 * A statement ran past its deadline. `rolled-back` if the server confirmed the cancellation, else
 * `unknown`.
 */
export class StatementTimeoutError extends PoolhouseError {
  static {
    brand(this, 'StatementTimeoutError', 'POOLHOUSE_STATEMENT_TIMEOUT')
  }

  /** The limit that was passed, in milliseconds. */
  readonly timeoutMs: number

  /** Names the limit and what is known of the outcome. */
  constructor(
    timeoutMs: number,
    options: {
      executed: Executed
      pool: string
      cause?: unknown
      durability?: Durability | undefined
    },
  ) {
    super(
      `statement exceeded ${Math.round(timeoutMs)} ms on pool "${options.pool}" and ${outcomeOf(options.executed)}`,
      options,
    )
    this.timeoutMs = timeoutMs
  }
}

function outcomeOf(executed: Executed): string {
  switch (executed) {
    case 'no':
      return 'was not sent'
    case 'rolled-back':
      return 'was cancelled'
    case 'yes':
      return 'is committed on the primary alone: its wait for the synchronous standbys was cancelled'
    case 'unknown':
      return 'its outcome is unknown'
  }
}

/**
 * The caller's `AbortSignal` fired. `cause` is `signal.reason`; `executed` says how far the work
 * had come.
 */
export class AbortError extends PoolhouseError {
  static {
    brand(this, 'AbortError', 'POOLHOUSE_ABORT')
  }

  /** Keeps the reason of the signal as `cause`. */
  constructor(reason: unknown, executed: Executed, durability?: Durability) {
    super('the call was aborted by its signal', { executed, cause: reason, durability })
  }
}

/** What PostgreSQL reports with an error; the names are those of its protocol fields. */
export interface DatabaseErrorFields {
  /** SQLSTATE, five characters. */
  code: string
  /** `ERROR`, `FATAL`, `PANIC`, in English whatever the server's language. */
  severity: string
  /** More about the error. */
  detail?: string | undefined
  /** What to do about it. */
  hint?: string | undefined
  /** Position of the error in the statement, counted in characters from 1. */
  position?: number | undefined
  /** Call stack of the error inside the server. */
  where?: string | undefined
  /** Schema the error is about. */
  schema?: string | undefined
  /** Table the error is about. */
  table?: string | undefined
  /** Column the error is about. */
  column?: string | undefined
  /** Data type the error is about. */
  dataType?: string | undefined
  /** Constraint that was violated. */
  constraint?: string | undefined
  /**
   * Function of the server that reported it, which tells its own words from what a function raised.
   */
  routine?: string | undefined
}

/** An error sent by PostgreSQL. `code` is the SQLSTATE; the driver's own error is the `cause`. */
export class DatabaseError extends PoolhouseError {
  static {
    brand(this, 'DatabaseError', 'POOLHOUSE_DATABASE')
  }

  /** `ERROR`, `FATAL` or `PANIC`. */
  readonly severity: string
  /** More about the error. */
  readonly detail: string | undefined
  /** What to do about it. */
  readonly hint: string | undefined
  /** Position in the statement, in characters from 1. */
  readonly position: number | undefined
  /** Call stack inside the server. */
  readonly where: string | undefined
  /** Schema the error is about. */
  readonly schema: string | undefined
  /** Table the error is about. */
  readonly table: string | undefined
  /** Column the error is about. */
  readonly column: string | undefined
  /** Data type the error is about. */
  readonly dataType: string | undefined
  /** Constraint that was violated. */
  readonly constraint: string | undefined

  /**
   * `executed` and `retryable` follow from severity, SQLSTATE and `routine`, by the table in
   * `docs/errors.md`.
   */
  constructor(message: string, fields: DatabaseErrorFields, cause?: unknown) {
    const { executed, repeat } = meaningOf({ ...fields, message })
    super(message, { code: fields.code, executed, retryable: repeat !== 'never', cause })
    Object.defineProperty(this, ROUTINE, { value: fields.routine })
    this.severity = fields.severity
    this.detail = fields.detail
    this.hint = fields.hint
    this.position = fields.position
    this.where = fields.where
    this.schema = fields.schema
    this.table = fields.table
    this.column = fields.column
    this.dataType = fields.dataType
    this.constraint = fields.constraint
  }
}

/** What the server said, of an error that any copy of this package made. */
export function wordsOf(error: DatabaseError): ServerWords {
  const { code, severity, message, where } = error
  return { code, severity, message, where, routine: (error as { [ROUTINE]?: string })[ROUTINE] }
}

/**
 * Settles what an error could not know by itself, and with it whether the call is `retryable`: what
 * may have been done is not. The same object, because the caller may hold it already.
 */
export function setExecuted(
  error: PoolhouseError,
  executed: Executed,
  durability?: Durability,
): void {
  if (error instanceof DatabaseError && isOpen(executed) !== isOpen(error.executed)) {
    const value = !isOpen(executed) && meaningOf(wordsOf(error)).repeat !== 'never'
    Object.defineProperty(error, 'retryable', { value, enumerable: true })
  }
  Object.defineProperty(error, 'executed', { value: executed, enumerable: true })
  if (durability !== undefined) {
    Object.defineProperty(error, 'durability', { value: durability, enumerable: true })
  }
}

function isOpen(executed: Executed): boolean {
  return executed === 'unknown' || executed === 'yes'
}

/**
 * Says that another attempt may succeed, where an error could not know that by itself. The same
 * object, because the caller may hold it already.
 */
export function setRetryable(error: PoolhouseError): void {
  Object.defineProperty(error, 'retryable', { value: true, enumerable: true })
}

/**
 * A transaction could not be carried out as written: COMMIT answered ROLLBACK, or it was used after
 * its end.
 */
export class TransactionError extends PoolhouseError {
  static {
    brand(this, 'TransactionError', 'POOLHOUSE_TRANSACTION')
  }
}

/** There is no primary, and the work could not be held any longer. Nothing was sent. */
export class NoPrimaryError extends PoolhouseError {
  static {
    brand(this, 'NoPrimaryError', 'POOLHOUSE_NO_PRIMARY')
  }

  /** Says how long the work was held and what is known of each node. */
  constructor(message: string, cause?: unknown) {
    super(message, { executed: 'no', retryable: true, cause })
  }
}

/** No node fits what the call asks for (role, freshness, health). Nothing was sent. */
export class NoSuitableNodeError extends PoolhouseError {
  static {
    brand(this, 'NoSuitableNodeError', 'POOLHOUSE_NO_SUITABLE_NODE')
  }

  /** Says what was asked for and the state of each node. */
  constructor(message: string, cause?: unknown) {
    super(message, { executed: 'no', retryable: true, cause })
  }
}

/**
 * The cause of a `NoPrimaryError` when every server that claims to be primary is fenced: it is on
 * an older timeline than one already seen, or two servers claim the same timeline (split brain).
 * The message names each and says why. Nothing is sent to a fenced server.
 */
export class FencedError extends PoolhouseError {
  static {
    brand(this, 'FencedError', 'POOLHOUSE_FENCED')
  }
}

/**
 * The work was sent, no answer came, and it may have been done. Never repeat it without a key or a
 * check: `resolve()` looks for the outcome of a transaction.
 */
export class InDoubtError extends PoolhouseError {
  static {
    brand(this, 'InDoubtError', 'POOLHOUSE_IN_DOUBT')
  }

  readonly #resolver: OutcomeResolver | undefined
  #outcome: TransactionOutcome = 'unknown'

  /**
   * `cause` is the loss of the connection or the timeout that left the outcome open; `resolver`
   * finds the outcome, where somebody can.
   */
  constructor(message: string, cause?: unknown, resolver?: OutcomeResolver) {
    super(message, { executed: 'unknown', cause })
    // Asked from anywhere, at any time: pools above tell by the async context of the call which
    // database it was for.
    this.#resolver = resolver && AsyncResource.bind(resolver)
  }

  /**
   * Finds out what became of the transaction; may take as long as the server needs to end it, and
   * `timeoutMs` (default 15 000) at most. Resolves with `unknown` when that cannot be known: for a
   * lone statement, and on a pool of one server, nobody kept what it takes. An outcome once known
   * is remembered. Throws `TypeError` or `RangeError` for wrong options and `AbortError` when the
   * signal fires, else never.
   */
  async resolve(options: ResolveOptions = {}): Promise<TransactionOutcome> {
    const limits = readResolveOptions(options)
    const { signal } = limits
    if (signal?.aborted) throw new AbortError(signal.reason, 'unknown')
    if (this.#outcome !== 'unknown' || this.#resolver === undefined) return this.#outcome
    let outcome: TransactionOutcome = 'unknown'
    try {
      outcome = await this.#resolver(limits)
    } catch {
      // Whatever failed on the way, the outcome is as open as before.
    }
    if (outcome !== 'unknown') this.#outcome = outcome
    else if (signal?.aborted) throw new AbortError(signal.reason, 'unknown')
    return outcome
  }
}

/**
 * The call would change or need a server session that it does not have: the pool's `pooler` keeps
 * none between transactions, or the statement is a call of its own and takes a lock that ends with
 * its session. Nothing was sent.
 */
export class SessionStateError extends PoolhouseError {
  static {
    brand(this, 'SessionStateError', 'POOLHOUSE_SESSION_STATE')
  }
}

/**
 * A session has seen what the present primary has never had: a failover has lost it. Only where
 * `onLostToken` is `error`; otherwise such a session reads from the primary and an event tells.
 */
export class TokenBeyondHistoryError extends PoolhouseError {
  static {
    brand(this, 'TokenBeyondHistoryError', 'POOLHOUSE_TOKEN_BEYOND_HISTORY')
  }
}

/** A call that declared itself a read tried to write, or asked for what a replica cannot give. */
export class ReadIntentError extends PoolhouseError {
  static {
    brand(this, 'ReadIntentError', 'POOLHOUSE_READ_INTENT')
  }
}

/** Nobody knows a tenant of this name. No connection was used to find out, and nothing was sent. */
export class UnknownTenantError extends PoolhouseError {
  static {
    brand(this, 'UnknownTenantError', 'POOLHOUSE_UNKNOWN_TENANT')
  }
}

/** A call for one tenant was made in the scope of another. Nothing was sent. */
export class WrongTenantError extends PoolhouseError {
  static {
    brand(this, 'WrongTenantError', 'POOLHOUSE_WRONG_TENANT')
  }
}

/**
 * A configuration that cannot be what was meant: an unknown key, a wrong value, a file that cannot
 * be read. Holds no secrets.
 */
export class ConfigError extends PoolhouseError {
  static {
    brand(this, 'ConfigError', 'POOLHOUSE_CONFIG')
  }
}
