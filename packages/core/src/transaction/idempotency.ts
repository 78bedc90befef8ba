import { createHash, randomUUID } from 'node:crypto'
import type { Queryable } from '../api/statement.js'
import type { Transaction } from '../api/transaction.js'
import { workReturned } from '../api/transaction.js'
import { checkNumber, describeValue, refuseUnknownOptions } from '../base/option-check.js'
import { hasCondition } from '../outcome/conditions.js'
import { DatabaseError } from '../outcome/database-error.js'
import { endsSession, isConflict, isUndone } from '../outcome/error-meaning.js'
import {
  AbortError,
  AuthenticationError,
  ConnectError,
  ConnectionLostError,
  InDoubtError,
  TransactionError,
} from '../outcome/errors.js'

/**
 * The statement that makes the table of idempotency keys, for a migration; `createMarkerTable` runs
 * it. Every transaction with an `idempotencyKey` leaves one row in it. The role needs SELECT,
 * INSERT, UPDATE on it, and DELETE for `cleanMarkers`.
 */
export const markerTable: string = `create table if not exists poolhouse_marker (
  key pg_catalog.text primary key,
  attempt pg_catalog.text not null,
  result pg_catalog.json,
  created_at pg_catalog.timestamptz not null default pg_catalog.now()
)`

/**
 * Makes the table of idempotency keys, unless it is there, in the first schema of the role's
 * `search_path`. Throws what the server says.
 *
 * @example
 * await createMarkerTable(pool) // once, in a migration
 * await pool.transaction(work, { idempotencyKey: 'order-7f3a' })
 */
export async function createMarkerTable(pool: Queryable): Promise<void> {
  try {
    await pool.query(markerTable)
  } catch (error) {
    // IF NOT EXISTS does not see a table that another session is making: one of the two fails on
    // the catalogue's unique index.
    if (!hasCondition(error, 'unique_violation', 'duplicate_table', 'duplicate_object')) throw error
    await pool.query(markerTable)
  }
}

/**
 * Options of `cleanMarkers`.
 *
 * @example
 * await cleanMarkers(pool, { olderThanMs: 7 * 24 * 60 * 60_000 })
 */
export interface CleanMarkersOptions {
  /**
   * Keys older than this are forgotten, in milliseconds. Choose more than any caller goes on
   * repeating one key.
   */
  olderThanMs: number
}

/**
 * Forgets old idempotency keys; resolves with how many. A call that comes with a forgotten key does
 * its work again. Reads the whole table. Throws `TypeError` or `RangeError` for wrong options, and
 * what the server says.
 *
 * @example
 * const forgotten = await cleanMarkers(pool, { olderThanMs: 7 * 24 * 60 * 60_000 })
 */
export async function cleanMarkers(pool: Queryable, options: CleanMarkersOptions): Promise<number> {
  const where = 'cleanMarkers'
  if (options === null || typeof options !== 'object') {
    throw new TypeError(
      `${where}: options must be an object such as { olderThanMs: 604800000 }, got ${describeValue(options)}`,
    )
  }
  refuseUnknownOptions(where, options, new Set(['olderThanMs']))
  const { olderThanMs } = options
  checkNumber(where, 'olderThanMs', olderThanMs, { min: 0, max: Number.MAX_SAFE_INTEGER })
  const { rowCount } = await pool.query(
    'delete from poolhouse_marker where created_at OPERATOR(pg_catalog.<) (pg_catalog.now() OPERATOR(pg_catalog.-) ' +
      "($1::double precision OPERATOR(pg_catalog.*) interval '1 millisecond'))",
    [olderThanMs],
  )
  return rowCount ?? 0
}
const HASHED = 'poolhouse-sha256:'

/**
 * What stands in the table for a key of this scope. A key without a scope stands for itself, unless
 * it looks like one that is stored as a hash, so that no caller can choose a key that belongs to
 * another scope.
 */
function storedKey(key: string, scope: string | undefined): string {
  if (scope === undefined && !key.startsWith(HASHED)) return key
  // As JSON, so that the border between the two is known: `a` and `bc` are not `ab` and `c`.
  const pair = JSON.stringify([scope ?? null, key])
  return HASHED + createHash('sha256').update(pair).digest('hex')
}

/** One attempt that has put its marker; what tells its server process from every other. */
interface Attempt {
  readonly xid: string
  readonly pid: string
  readonly startedAt: string
}

// The table is found by the search_path, and all else by its schema: others of these names may
// stand in front in the path.
const INSERT =
  'insert into poolhouse_marker(key, attempt) values ($1, $2) on conflict (key) do nothing returning ' +
  'pg_catalog.pg_current_xact_id()::pg_catalog.text as xid, pg_catalog.pg_backend_pid()::pg_catalog.text as pid, ' +
  'pg_catalog.pg_postmaster_start_time()::pg_catalog.text as started_at'
const SELECT =
  'select attempt, result::pg_catalog.text as result from poolhouse_marker where key OPERATOR(pg_catalog.=) $1'
const STORE =
  'update poolhouse_marker set result = $2::pg_catalog.json where key OPERATOR(pg_catalog.=) $1'
// Only the very transaction of an earlier attempt of ours, whose line is dead while its server
// process does not know yet and holds the key. One that waits for its synchronous standbys is let
// be: ending it would make its commit a local one.
const END_FORMER =
  'select pg_catalog.pg_terminate_backend(a.pid) from pg_catalog.pg_stat_activity a where a.pid OPERATOR(pg_catalog.=) $1::int ' +
  'and a.backend_xid OPERATOR(pg_catalog.=) $2::pg_catalog.xid8::pg_catalog.xid ' +
  'and pg_catalog.pg_postmaster_start_time()::pg_catalog.text OPERATOR(pg_catalog.=) $3 ' +
  "and coalesce(a.wait_event, '') OPERATOR(pg_catalog.<>) 'SyncRep'"

/**
 * The work of a transaction with an idempotency key, over all attempts of one call. Each attempt
 * first puts a row with the key, which waits for another call that does the same; if the key is
 * there already, the work is done, and its result is read. So however often an attempt is made, and
 * on whatever server of the cluster, the work is committed once.
 */
export class KeyedWork<R> {
  readonly #key: string
  readonly #work: (tx: Transaction) => Promise<R>
  readonly #former: Attempt[] = []
  // What the work returned, by attempt: if that attempt turns out to have been committed, no round
  // trip through JSON is needed.
  readonly #results = new Map<string, R>()
  // An attempt was made whose COMMIT got no answer, and no later one has shown yet what became of
  // it.
  #doubt: InDoubtError | undefined
  #stage: 'marking' | 'working' | 'done' = 'marking'
  // Whether the work failed on a session that was lost under it.
  #interrupted = false
  // The last COMMIT was answered with an ERROR that leaves its outcome open. The next attempt sees
  // whether the key is there; a COMMIT that answers the same again would do so for ever, such as
  // one whose trigger raises it.
  #answered = false

  /** Takes a checked key, and the `idempotencyScope` of the call. */
  constructor(key: string, work: (tx: Transaction) => Promise<R>, scope?: string) {
    this.#key = storedKey(key, scope)
    this.#work = work
  }

  /** Whether the last attempt has not got so far as to run the work. */
  get marking(): boolean {
    return this.#stage === 'marking'
  }

  /** One attempt, in a transaction of its own. */
  async run(tx: Transaction): Promise<R> {
    this.#stage = 'marking'
    this.#interrupted = false
    for (const { pid, xid, startedAt } of this.#former) {
      await tx.query(END_FORMER, [pid, xid, startedAt])
    }
    const attempt = randomUUID()
    if (!(await this.#mark(tx, attempt))) return await this.#read(tx)
    this.#stage = 'working'
    const result = await this.#runWork(tx)
    workReturned(tx)
    this.#stage = 'done'
    this.#results.set(attempt, result)
    const text = toJson(result)
    if (text !== undefined && tx.open) await tx.query(STORE, [this.#key, text])
    return result
  }

  /**
   * Whether an attempt that failed like this may be followed by another, because the failure is not
   * the work's.
   */
  repeats(error: unknown): boolean {
    // What the work threw while its session was well is about something else, which must not be
    // done twice.
    if (this.#stage === 'working' && !this.#interrupted) return false
    if (error instanceof InDoubtError) {
      this.#doubt = error
      const answered = error.cause instanceof DatabaseError && !endsSession(error.cause)
      const again = !(answered && this.#answered)
      this.#answered = answered
      return again
    }
    if (error instanceof MarkerGoneError) return true
    if (error instanceof ConnectError) return !(error.fatal || error instanceof AuthenticationError)
    if (error instanceof ConnectionLostError) return isUndone(error)
    if (!(error instanceof DatabaseError && isUndone(error))) return false
    // Another call with the key was faster, and the snapshot of this transaction is older than its
    // row.
    return endsSession(error) || (this.marking && isConflict(error))
  }

  /**
   * What the caller is told when no other attempt is made: while an earlier one is in doubt, that
   * is what matters.
   */
  surfaced(error: unknown): unknown {
    if (this.#doubt === undefined) return error
    return error instanceof AbortError ? new AbortError(error.cause, 'unknown') : this.#doubt
  }

  async #runWork(tx: Transaction): Promise<R> {
    try {
      return await this.#work(tx)
    } catch (error) {
      this.#interrupted = wasLost(tx)
      throw error
    }
  }

  async #mark(tx: Transaction, attempt: string): Promise<boolean> {
    let row: { xid: unknown; pid: unknown; started_at: unknown } | undefined
    try {
      ;[row] = (await tx.query<NonNullable<typeof row>>(INSERT, [this.#key, attempt])).rows
    } catch (error) {
      throw explained(error)
    }
    if (row === undefined) return false
    this.#former.push({
      xid: String(row.xid),
      pid: String(row.pid),
      startedAt: String(row.started_at),
    })
    // The key was free, so no earlier attempt was committed, nor can be: it would have held the
    // key.
    this.#doubt = undefined
    return true
  }

  async #read(tx: Transaction): Promise<R> {
    const { rows } = await tx.query<{ attempt: string; result: string | null }>(SELECT, [this.#key])
    const [row] = rows
    if (row === undefined) throw new MarkerGoneError()
    this.#doubt = undefined
    this.#stage = 'done'
    if (this.#results.has(row.attempt)) return this.#results.get(row.attempt)!
    return (row.result === null ? undefined : JSON.parse(row.result)) as R
  }
}

/** The key was there a moment ago and is not any more: `cleanMarkers` was faster. */
class MarkerGoneError extends TransactionError {
  constructor() {
    super('the row of the idempotency key was removed while it was being read', {
      executed: 'rolled-back',
      retryable: true,
    })
  }
}

/**
 * Whether the session of the transaction is gone. Of a transaction that cannot tell, what failed
 * may have been that.
 */
function wasLost({ lost }: Transaction & { readonly lost?: boolean }): boolean {
  return lost !== false
}

function explained(error: unknown): unknown {
  // No such column: a table of this name that is another application's.
  if (!hasCondition(error, 'undefined_table', 'undefined_column')) return error
  return new TransactionError(
    'idempotencyKey needs the table poolhouse_marker in the search_path; make it with createMarkerTable(pool), or put the text markerTable into a migration',
    { executed: 'rolled-back', cause: error },
  )
}

function toJson(result: unknown): string | undefined {
  try {
    return JSON.stringify(result)
  } catch (cause) {
    throw new TransactionError(
      'with idempotencyKey the result of work is stored as JSON, and this one cannot be; return undefined or plain data',
      { executed: 'rolled-back', cause },
    )
  }
}
