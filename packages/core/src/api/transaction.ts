import {
  checkBoolean,
  checkFunction,
  checkNumber,
  checkOptions,
  checkWord,
  describeValue,
  type OptionChecks,
  optionChecks,
  refuseUnknownOptions,
} from '../base/option-check.js'
import type { Durability } from '../outcome/outcome.js'
import type { OutcomeResolver, TransactionIdentity } from '../outcome/transaction-outcome.js'
import { LIMITS, STALENESS } from './call-options.js'
import type { Queryable, Statement } from './statement.js'
import type { Streamable } from './streaming.js'

/** Isolation levels of PostgreSQL. */
export type IsolationLevel = 'read committed' | 'repeatable read' | 'serializable'

/**
 * How often a transaction may be run.
 *
 * @example
 * await pool.transaction(work, { retry: { attempts: 3 } })
 */
export interface TransactionRetry {
  /** Attempts in all, the first included. */
  attempts: number
}

/**
 * Options of `transaction`.
 *
 * @example
 * const report: TransactionOptions = {
 *   isolation: 'serializable',
 *   readOnly: true,
 *   deferrable: true,
 *   maxStalenessMs: 10_000,
 *   maxStalenessBytes: 1_048_576,
 *   timeoutMs: 60_000,
 *   signal: AbortSignal.timeout(50_000),
 * }
 * const order: TransactionOptions = { retry: { attempts: 3 }, idempotencyKey: 'order-7f3a' }
 * await pool.transaction(work, order)
 */
export interface TransactionOptions {
  /** Isolation level. Default: the server's. */
  isolation?: IsolationLevel | undefined
  /** READ ONLY; lets a routing pool use a replica. Default false. */
  readOnly?: boolean | undefined
  /**
   * Oldest data that a `readOnly` transaction accepts, in milliseconds. Only routing pools look at
   * it. Default: that of the pool.
   */
  maxStalenessMs?: number | undefined
  /**
   * Most write-ahead log that the node of a `readOnly` transaction may have left to replay, in
   * bytes. Only routing pools look at it. Default: that of the pool.
   */
  maxStalenessBytes?: number | undefined
  /** DEFERRABLE; useful only with `serializable` and `readOnly`. Default false. */
  deferrable?: boolean | undefined
  /**
   * Runs `work` again, up to `attempts` times in all, when the transaction is known not to have
   * happened and may succeed: serialization failure, deadlock, lock not available, connection lost
   * before COMMIT was sent, a write that the server itself refused (not with `readOnly`). An error
   * that `work` brought from another pool counts if it is one of these and says that nothing of it
   * was left behind: this transaction was rolled back. No connection in time, of this pool or of
   * another, is not repeated. The same for every kind of pool. `work` must have no effect outside
   * the transaction. Default: one attempt.
   */
  retry?: TransactionRetry | undefined
  /**
   * Makes the transaction happen exactly once, however often it is called with this key: 1 to 512
   * characters, by any process on any server of the cluster. A row with the key is written in the
   * same transaction, into the table `poolhouse_marker` (`createMarkerTable`). If the key is there
   * already, `work` is not run and what it returned then is returned, as JSON brought it back; a
   * result that came from this very call is returned as it was. A lost connection, a failover and a
   * COMMIT without an answer are then followed by another attempt, until the outcome is known or
   * `timeoutMs` has passed; without `timeoutMs`, 10 seconds after the first failure
   * (`hold.timeoutMs` of a failover pool). `work` may be run several times for that, of which one
   * is committed: it must have no effect outside the transaction. Not with `readOnly`. Keys are
   * never logged. Throws `TypeError` for a key that is no well-formed Unicode. Default: none.
   */
  idempotencyKey?: string | undefined
  /**
   * For pools over pools: whose key `idempotencyKey` is. The same key in two scopes is two keys,
   * and neither is the key without a scope. The scope and the key are stored as one hash. Default:
   * none.
   *
   * @example
   * await pool.transaction(work, { idempotencyKey: 'order-7f3a', idempotencyScope: 'tenant acme' })
   */
  idempotencyScope?: string | undefined
  /**
   * For pools over pools: a statement that every attempt sends right after BEGIN, before the row of
   * the idempotency key and before `work`, such as the settings that row-level security reads.
   * Default: none.
   *
   * @example
   * const text = "select set_config('app.tenant', $1, true)"
   * await pool.transaction(work, { openWith: { text, values: ['acme'] } })
   */
  openWith?: Statement | undefined
  /**
   * Longest time from BEGIN to COMMIT in milliseconds; with `retry` or `idempotencyKey`, for all
   * attempts together. Default: none beyond each statement's own.
   */
  timeoutMs?: number | undefined
  /** Aborts the transaction: it is rolled back and rejects with `AbortError`. Default: none. */
  signal?: AbortSignal | undefined
  /**
   * For pools over pools: makes what `InDoubtError.resolve()` asks, if COMMIT gets no answer. The
   * transaction's identity is then taken together with BEGIN, in one message: that assigns its xid,
   * fails with 25006 on a standby, and takes the snapshot of `repeatable read` and `serializable`
   * at BEGIN instead of at the first statement. A `SET TRANSACTION` as first statement still works,
   * at the price of one round trip before COMMIT. Not used with `readOnly`. Default: none.
   *
   * @example
   * await pool.transaction(work, { resolver: ({ xid }) => async () => {
   *   log.info(`what became of ${xid}?`)
   *   return 'unknown'
   * } })
   */
  resolver?: ((transaction: TransactionIdentity) => OutcomeResolver) | undefined
}

/**
 * An open transaction. After `work` has settled every call rejects with `TransactionError`; a
 * stream that is still open is closed.
 */
export interface Transaction extends Queryable, Streamable {
  /** Whether statements can be sent: false once it was committed, rolled back or stopped. */
  readonly open: boolean
  /** Name of the pool of the node it runs on. */
  readonly node: string
  /**
   * How safe the commit is, once it has succeeded; undefined before. With `local` the pool also
   * tells its `durability` event.
   */
  readonly durability: Durability | undefined
  /**
   * Runs `work` inside a savepoint, with a scope of its own: use the argument of `work` in it, also
   * to nest. Rolled back alone if `work` rejects, and if `work` returns although a statement of it
   * has failed (`TransactionError`).
   *
   * Scopes take turns. What is begun beside an open savepoint waits for it, in the order of the
   * calls, within its own limits and those of the transaction. What `work` itself begins on an
   * outer scope is refused at once with `TransactionError`, because it would wait for itself, and
   * so is what would wait for a savepoint of another transaction that waits for this one; `work` is
   * known by its async context, so code that leaves that (a queue of its own making) and then waits
   * for the outer scope is ended by `timeoutMs` alone. A work that returns while a savepoint it has
   * begun is still open is rolled back with `TransactionError`.
   *
   * @example
   * await pool.transaction(async (tx) => {
   *   const hint = (inner: Transaction) => inner.query('insert into hints(id) values (7)')
   *   await tx.savepoint(hint).catch(log.warn)
   *   await tx.query('insert into jobs(id) values (9)') // committed in any case
   * })
   */
  savepoint<R>(work: (tx: Transaction) => Promise<R>): Promise<R>
  /**
   * Rolls the whole transaction back now, also from within a savepoint; `transaction()` then
   * resolves with what `work` returns.
   *
   * @example
   * await pool.transaction(async (tx) => {
   *   const { rowCount } = await tx.query('update stock set remaining = remaining - 1')
   *   if (rowCount !== 1) await tx.rollback()
   * })
   */
  rollback(): Promise<void>
}

const LEVELS: readonly IsolationLevel[] = ['read committed', 'repeatable read', 'serializable']
const CHECKS: OptionChecks = optionChecks({
  isolation: (where, level, name) => checkWord(where, name, level, LEVELS),
  readOnly: (where, value, name) => checkBoolean(where, name, value),
  ...STALENESS,
  deferrable: (where, value, name) => checkBoolean(where, name, value),
  retry: checkRetry,
  idempotencyKey: checkIdempotencyKey,
  idempotencyScope: checkIdempotencyScope,
  openWith: checkOpenWith,
  ...LIMITS,
  resolver: checkFunction,
})

/**
 * Checks the options of `transaction`. Throws `TypeError` or `RangeError` naming option and value.
 */
export function checkTransactionOptions(options: TransactionOptions): void {
  checkOptions('transaction', options, CHECKS)
  if (options.idempotencyKey !== undefined && options.readOnly === true) {
    throw new TypeError(
      'transaction: idempotencyKey and readOnly exclude each other, because the key is written',
    )
  }
}

function checkRetry(where: string, retry: unknown): void {
  if (retry === null || typeof retry !== 'object') {
    throw new TypeError(
      `${where}: retry must be an object such as { attempts: 3 }, got ${describeValue(retry)}`,
    )
  }
  refuseUnknownOptions(`${where}: retry`, retry, new Set(['attempts']))
  const { attempts } = retry as Partial<TransactionRetry>
  checkNumber(where, 'retry.attempts', attempts, { min: 1, max: 1_000, integer: true })
}

function checkOpenWith(where: string, statement: unknown): void {
  if (typeof (statement as Statement | null)?.text === 'string') return
  throw new TypeError(
    `${where}: openWith must be a statement such as { text }, got ${describeValue(statement)}`,
  )
}

function checkIdempotencyScope(where: string, scope: unknown): void {
  if (typeof scope === 'string') return
  throw new TypeError(`${where}: idempotencyScope must be a string, got ${describeValue(scope)}`)
}

// A key of the index may have 2,704 bytes, and a character up to four.
const LONGEST_KEY = 512

// A lone surrogate has no bytes of its own in UTF-8: all of them arrive as U+FFFD, and two keys
// would be one.
const LONE_SURROGATE = /\p{Surrogate}/u

/** Checks an `idempotencyKey`. Throws `TypeError` or `RangeError`, which never show the key. */
function checkIdempotencyKey(where: string, key: unknown): void {
  if (typeof key !== 'string') {
    throw new TypeError(
      `${where}: idempotencyKey must be a string, got a value of type ${typeof key}`,
    )
  }
  if (key.length === 0 || key.length > LONGEST_KEY) {
    throw new RangeError(
      `${where}: idempotencyKey must have 1 to ${LONGEST_KEY} characters, got ${key.length}`,
    )
  }
  if (LONE_SURROGATE.test(key)) {
    throw new TypeError(`${where}: idempotencyKey must be well-formed Unicode`)
  }
  if (key.includes('\0')) {
    throw new RangeError(
      `${where}: idempotencyKey must not contain the character U+0000, which PostgreSQL cannot store`,
    )
  }
}

/**
 * Says to a transaction of ours that the caller's work has returned, where something is sent after
 * it. Throws `TransactionError` if a savepoint that the work had begun is still open: a statement
 * would wait for it, and perhaps for ever.
 */
export function workReturned(tx: Transaction): void {
  ;(tx as { workReturned?: () => void }).workReturned?.()
}
