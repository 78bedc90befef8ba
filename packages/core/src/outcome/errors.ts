import { AsyncResource } from 'node:async_hooks'
import { printable } from '../base/printable.js'
import type { Durability, Executed } from './outcome.js'
import { brand, PoolhouseError } from './poolhouse-error.js'
import {
  type OutcomeResolver,
  type ResolveOptions,
  readResolveOptions,
  type TransactionOutcome,
} from './transaction-outcome.js'

/** The state of a pool at the moment a caller gave up, for messages a human reads at 3 a.m. */
export interface PoolGauges {
  /** Name of the pool. */
  pool: string
  /** `host:port/database`. */
  endpoint: string
  /** Connections open or being opened. */
  total: number
  /** Idle connections. */
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
brand(AcquireTimeoutError, 'AcquireTimeoutError', 'POOLHOUSE_ACQUIRE_TIMEOUT')

/** The wait queue is full (`maxPending`) or the pool sheds load (`overload`). Nothing was sent. */
export class PoolOverloadedError extends PoolhouseError {
  /** The pool when the call was refused. */
  readonly gauges: PoolGauges

  /** Says why the call was refused; `reason` is a clause such as `maxPending is 1000`. */
  constructor(reason: string, gauges: PoolGauges) {
    super(`overloaded: ${reason}; ${describeGauges(gauges)}`, { retryable: true })
    this.gauges = gauges
  }
}
brand(PoolOverloadedError, 'PoolOverloadedError', 'POOLHOUSE_POOL_OVERLOADED')

/** The pool is closing or closed. Nothing was sent. */
export class PoolClosedError extends PoolhouseError {
  /** Names the pool that is closed. `executed` is for work that was open; default `no`. */
  constructor(pool: string, executed: Executed = 'no', durability?: Durability) {
    super(`pool "${pool}" is closed`, { executed, durability })
  }
}
brand(PoolClosedError, 'PoolClosedError', 'POOLHOUSE_POOL_CLOSED')

/**
 * A lease was used after `release()` or `destroy()`, or released under an open stream or copy.
 * Otherwise nothing was sent.
 */
export class LeaseReleasedError extends PoolhouseError {
  /** Names the pool the lease came from. `executed` is for work that was open; default `no`. */
  constructor(pool: string, executed: Executed = 'no', durability?: Durability) {
    super(
      `this lease of pool "${pool}" has been released; acquire another, and await every query before releasing`,
      { executed, durability },
    )
  }
}
brand(LeaseReleasedError, 'LeaseReleasedError', 'POOLHOUSE_LEASE_RELEASED')

/**
 * A stream or a copy has the lease to itself, and something else was asked of it. Nothing was sent.
 */
export class LeaseBusyError extends PoolhouseError {
  /** Names the pool, and what is open on the lease: `stream`, `copyFrom` or `copyTo`. */
  constructor(pool: string, open: string) {
    // Waiting for it would be a deadlock in the very loop that reads it.
    const wayOut = open === 'copyFrom' ? 'await it first' : 'read it to its end or leave its loop'
    super(
      `a ${open} is open on this lease of pool "${pool}" and has it to itself; ${wayOut}, or use another lease`,
    )
  }
}
brand(LeaseBusyError, 'LeaseBusyError', 'POOLHOUSE_LEASE_BUSY')

/**
 * Work that holds leases waits for more of them, and no other work can give one back. Carries both
 * stacks.
 */
export class PoolDeadlockError extends PoolhouseError {
  /**
   * Where the lease that is held was acquired, read off the stack of the caller that waits. Where
   * no chain of `await`s leads from that to the holder, the connection and its last statement.
   */
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
brand(PoolDeadlockError, 'PoolDeadlockError', 'POOLHOUSE_POOL_DEADLOCK')

/**
 * A connection could not be opened. Nothing was sent. `cause` is the error of the socket or the
 * server.
 */
export class ConnectError extends PoolhouseError {
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
brand(ConnectError, 'ConnectError', 'POOLHOUSE_CONNECT')

/**
 * The server refused the user or the password (SQLSTATE class 28), or did not prove itself. Nothing
 * was sent.
 */
export class AuthenticationError extends ConnectError {}
brand(AuthenticationError, 'AuthenticationError', 'POOLHOUSE_AUTHENTICATION')

/**
 * The connection went away. `executed` is `unknown` when a statement was on its way, `no` when it
 * was not sent.
 */
export class ConnectionLostError extends PoolhouseError {
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
brand(ConnectionLostError, 'ConnectionLostError', 'POOLHOUSE_CONNECTION_LOST')

/**
 * A statement ran past its deadline. `rolled-back` if the server confirmed the cancellation, else
 * `unknown`.
 */
export class StatementTimeoutError extends PoolhouseError {
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
brand(StatementTimeoutError, 'StatementTimeoutError', 'POOLHOUSE_STATEMENT_TIMEOUT')

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
  /** Keeps the reason of the signal as `cause`. */
  constructor(reason: unknown, executed: Executed, durability?: Durability) {
    super('the call was aborted by its signal', { executed, durability })
    // The reason is the caller's, and what it was about says nothing of this call.
    if (reason !== undefined) {
      Object.defineProperty(this, 'cause', { value: reason, writable: true, configurable: true })
    }
  }
}
brand(AbortError, 'AbortError', 'POOLHOUSE_ABORT')

/**
 * A transaction could not be carried out as written: COMMIT answered ROLLBACK, or it was used after
 * its end.
 */
export class TransactionError extends PoolhouseError {}
brand(TransactionError, 'TransactionError', 'POOLHOUSE_TRANSACTION')

/** There is no primary, and the work could not be held any longer. Nothing was sent. */
export class NoPrimaryError extends PoolhouseError {
  /** Says how long the work was held and what is known of each node. */
  constructor(message: string, cause?: unknown) {
    super(message, { executed: 'no', retryable: true, cause })
  }
}
brand(NoPrimaryError, 'NoPrimaryError', 'POOLHOUSE_NO_PRIMARY')

/** No node fits what the call asks for (role, freshness, health). Nothing was sent. */
export class NoSuitableNodeError extends PoolhouseError {
  /** Says what was asked for and the state of each node. */
  constructor(message: string, cause?: unknown) {
    super(message, { executed: 'no', retryable: true, cause })
  }
}
brand(NoSuitableNodeError, 'NoSuitableNodeError', 'POOLHOUSE_NO_SUITABLE_NODE')

/**
 * The cause of a `NoPrimaryError` when every server that claims to be primary is fenced: it is on
 * an older timeline than one already seen, or two servers claim the same timeline (split brain).
 * The message names each and says why. Nothing is sent to a fenced server.
 */
export class FencedError extends PoolhouseError {}
brand(FencedError, 'FencedError', 'POOLHOUSE_FENCED')

/**
 * The work was sent, no answer came, and it may have been done. Never repeat it without a key or a
 * check: `resolve()` looks for the outcome of a transaction.
 */
export class InDoubtError extends PoolhouseError {
  readonly #resolver: OutcomeResolver | undefined
  #outcome: TransactionOutcome = 'unknown'

  /**
   * `cause` is the loss of the connection or the timeout that left the outcome open; `resolver`
   * finds the outcome, where that is possible.
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
   * lone statement, and on a pool of one server, which keep no identity. An outcome once known is
   * remembered. Throws `TypeError` or `RangeError` for wrong options and `AbortError` when the
   * signal fires, else never.
   *
   * @example
   * if (isPoolhouseError(error, 'POOLHOUSE_IN_DOUBT')) {
   *   const outcome = await error.resolve({ timeoutMs: 5_000 })
   *   if (outcome === 'aborted') await pool.transaction(work) // it was not done
   * }
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
brand(InDoubtError, 'InDoubtError', 'POOLHOUSE_IN_DOUBT')

/**
 * The call would change or need a server session that it does not have: the pool's `pooler` keeps
 * none between transactions, or the statement is a call of its own and takes a lock that ends with
 * its session. Nothing was sent.
 */
export class SessionStateError extends PoolhouseError {}
brand(SessionStateError, 'SessionStateError', 'POOLHOUSE_SESSION_STATE')

/**
 * A session has seen what the present primary has never had: a failover has lost it. Only where
 * `onLostToken` is `error`; otherwise such a session reads from the primary and an event tells.
 */
export class TokenBeyondHistoryError extends PoolhouseError {}
brand(TokenBeyondHistoryError, 'TokenBeyondHistoryError', 'POOLHOUSE_TOKEN_BEYOND_HISTORY')

/** A call that declared itself a read tried to write, or asked for what a replica cannot give. */
export class ReadIntentError extends PoolhouseError {}
brand(ReadIntentError, 'ReadIntentError', 'POOLHOUSE_READ_INTENT')

/** No tenant of this name is known. No connection was used to find out, and nothing was sent. */
export class UnknownTenantError extends PoolhouseError {}
brand(UnknownTenantError, 'UnknownTenantError', 'POOLHOUSE_UNKNOWN_TENANT')

/** A call for one tenant was made in the scope of another. Nothing was sent. */
export class WrongTenantError extends PoolhouseError {}
brand(WrongTenantError, 'WrongTenantError', 'POOLHOUSE_WRONG_TENANT')

/**
 * A configuration that cannot be what was meant: an unknown key, a wrong value, a file that cannot
 * be read. Holds no secrets.
 */
export class ConfigError extends PoolhouseError {}
brand(ConfigError, 'ConfigError', 'POOLHOUSE_CONFIG')
