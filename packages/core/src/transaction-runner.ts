import { Backoff } from './backoff.js'
import { checkQueryOptions } from './call-options.js'
import { type Clock, sleep } from './clock.js'
import type { AcquireOptions } from './connection-pool.js'
import {
  AbortError,
  AcquireTimeoutError,
  ConnectionLostError,
  InDoubtError,
  PoolhouseError,
  PoolOverloadedError,
  StatementTimeoutError,
  setExecuted,
  TransactionError,
} from './errors.js'
import type { Lease } from './lease.js'
import type { PoolLease } from './pool-lease.js'
import type { Slot } from './slot.js'
import {
  type QueryOptions,
  type QueryResult,
  readQueryArguments,
  type Statement,
} from './statement.js'
import { CONTROLS_TRANSACTION, traitsOf } from './statement-traits.js'
import {
  beginStatement,
  checkTransactionOptions,
  type Transaction,
  type TransactionOptions,
} from './transaction.js'

/** What a transaction needs of its pool. */
export interface TransactionHost {
  /** Name for messages. */
  readonly name: string
  /** Lends a connection. */
  acquire(options?: AcquireOptions): Promise<Lease>
  /** Runs work that holds a lease, so that a deadlock can be told from a long wait. */
  hold<R>(slot: Slot, work: () => R): R
}

const ROLLBACK_MS = 2_000

/** Runs `work` in a transaction, again if the caller declared that and the last attempt is known not to have happened. */
export async function runTransaction<R>(
  host: TransactionHost,
  clock: Clock,
  random: () => number,
  work: (tx: Transaction) => Promise<R>,
  options: TransactionOptions = {},
): Promise<R> {
  checkTransactionOptions(options)
  if (typeof work !== 'function')
    throw new TypeError(`transaction: work must be a function, got ${typeof work}`)
  const attempts = options.retry?.attempts ?? 1
  const backoff = new Backoff({ baseMs: 5, maxMs: 500, random })
  for (let attempt = 1; ; attempt++) {
    try {
      return await attemptTransaction(host, clock, work, options)
    } catch (error) {
      if (attempt >= attempts || !isRepeatable(error) || options.signal?.aborted) throw error
    }
    await sleep(clock, backoff.next())
  }
}

/** Known not to have happened, and likely to succeed if done again. A connection that was waited for in vain is not. */
function isRepeatable(error: unknown): boolean {
  return (
    error instanceof PoolhouseError &&
    !(error instanceof AcquireTimeoutError || error instanceof PoolOverloadedError) &&
    error.retryable &&
    (error.executed === 'no' || error.executed === 'rolled-back')
  )
}

async function attemptTransaction<R>(
  host: TransactionHost,
  clock: Clock,
  work: (tx: Transaction) => Promise<R>,
  options: TransactionOptions,
): Promise<R> {
  const { signal, timeoutMs } = options
  const lease = (await host.acquire(signal === undefined ? undefined : { signal })) as PoolLease
  const tx = new OpenTransaction(
    lease,
    host.name,
    clock,
    timeoutMs,
    timeoutMs !== undefined || signal !== undefined,
  )
  const onAbort = (): void => tx.stop(new AbortError(signal!.reason, 'rolled-back'))
  const timer =
    timeoutMs === undefined
      ? undefined
      : clock.setTimer(
          () => clock.afterIo(() => tx.stop(timeoutOf(timeoutMs, host.name))),
          timeoutMs,
          { keepAlive: true },
        )
  signal?.addEventListener('abort', onAbort, { once: true })
  try {
    if (signal?.aborted) throw new AbortError(signal.reason, 'no')
    await tx.begin(beginStatement(options))
    return await host.hold(lease.slot, () => tx.complete(work))
  } finally {
    timer?.cancel()
    signal?.removeEventListener('abort', onAbort)
    tx.end()
    if (lease.valid) lease.release()
  }
}

function timeoutOf(timeoutMs: number, pool: string): StatementTimeoutError {
  return new StatementTimeoutError(timeoutMs, { executed: 'rolled-back', pool })
}

/**
 * One transaction on one lease: `open` → `ended` by COMMIT or ROLLBACK, or `stopped` from outside by a deadline or a signal
 * and then rolled back.
 */
class OpenTransaction implements Transaction {
  readonly #lease: PoolLease
  readonly #pool: string
  readonly #clock: Clock
  readonly #deadline: number
  // Aborts every statement in flight or queued when the transaction is stopped; there only if it can be.
  readonly #abort: AbortController | undefined
  readonly #timeoutMs: number | undefined
  #state: 'open' | 'stopped' | 'committing' | 'ended' = 'open'
  #stopError: Error | undefined
  #onStop: ((error: Error) => void) | undefined
  #firstError: unknown
  #savepoints = 0
  // Statements of ours whose outcome was open when they failed: it is known once the transaction has ended without COMMIT.
  readonly #unknown = new Set<unknown>()
  // A statement ended the transaction unseen; whatever the work does with that error, there is no success to report.
  #endedUnseen: Error | undefined

  constructor(
    lease: PoolLease,
    pool: string,
    clock: Clock,
    timeoutMs: number | undefined,
    stoppable: boolean,
  ) {
    this.#abort = stoppable ? new AbortController() : undefined
    this.#lease = lease
    this.#pool = pool
    this.#clock = clock
    this.#timeoutMs = timeoutMs
    this.#deadline = timeoutMs === undefined ? Number.POSITIVE_INFINITY : clock.now() + timeoutMs
  }

  async begin(text: string): Promise<void> {
    // Lost or timed out at BEGIN: nothing of the transaction can have happened.
    try {
      await this.#run({ text }, undefined, 'no')
    } catch (error) {
      if (this.#unknown.has(error)) setExecuted(error as PoolhouseError, 'no')
      throw error
    }
  }

  /** Runs `work` and commits; rolls back if `work` rejects or the transaction is stopped. */
  async complete<R>(work: (tx: Transaction) => Promise<R>): Promise<R> {
    let result: R
    try {
      result = await this.#untilStopped(work)
      // Stopped or ended after the work's last word and before ours.
      this.#refuseIfStopped()
      if (this.#endedUnseen !== undefined) throw this.#endedUnseen
    } catch (error) {
      // Whoever stopped it is not kept waiting: the connection is cleaned after its release.
      if (this.#state !== 'stopped') await this.#rollBack()
      if (this.#endedUnseen === undefined && this.#unknown.has(error)) {
        setExecuted(error as PoolhouseError, 'rolled-back')
      }
      throw error
    }
    if (this.#state === 'open') await this.#commit()
    return result
  }

  /** Ends the transaction from outside. While COMMIT is under way its own answer decides. */
  stop(error: Error): void {
    if (this.#state !== 'open') return
    this.#state = 'stopped'
    this.#stopError = error
    this.#abort?.abort(error)
    this.#onStop?.(error)
  }

  /** Nothing can be sent any more. */
  end(): void {
    this.#state = 'ended'
  }

  query<Row = Record<string, unknown>>(
    first: string | Statement,
    second?: readonly unknown[] | QueryOptions,
    third?: QueryOptions,
  ): Promise<QueryResult<Row>> {
    return new Promise((resolve, reject) => {
      const { statement, options } = readQueryArguments(first, second, third)
      if (options !== undefined) checkQueryOptions(options)
      this.#refuseUnlessOpen()
      if ((traitsOf(statement.text) & CONTROLS_TRANSACTION) !== 0) {
        throw new TransactionError(
          'tx.query cannot begin or end a transaction; return from the callback to commit, use tx.rollback() to roll back and tx.savepoint(work) to nest',
        )
      }
      this.#run<Row>(statement, options).then(resolve, reject)
    })
  }

  async savepoint<R>(work: (tx: Transaction) => Promise<R>): Promise<R> {
    this.#refuseUnlessOpen()
    const name = `poolhouse_${++this.#savepoints}`
    await this.#run({ text: `SAVEPOINT ${name}` }, undefined)
    let result: R
    try {
      result = await work(this)
    } catch (error) {
      if (this.#state === 'open') {
        await this.#run({ text: `ROLLBACK TO SAVEPOINT ${name}` }, undefined)
        this.#firstError = undefined
      }
      throw error
    }
    if (this.#state === 'open') await this.#run({ text: `RELEASE SAVEPOINT ${name}` }, undefined)
    return result
  }

  async rollback(): Promise<void> {
    this.#refuseUnlessOpen()
    await this.#rollBack()
  }

  // A method, because control flow analysis would take the state for unchanged across an await.
  #refuseIfStopped(): void {
    if (this.#state === 'stopped') throw this.#stopError!
  }

  #refuseUnlessOpen(): void {
    this.#refuseIfStopped()
    if (this.#state !== 'open') {
      throw new TransactionError(
        'this transaction is over; await every query inside the callback, and do not keep tx beyond it',
      )
    }
  }

  async #run<Row>(
    statement: Statement,
    options: QueryOptions | undefined,
    ifLost: 'no' | 'rolled-back' = 'rolled-back',
  ): Promise<QueryResult<Row>> {
    const signals = [this.#abort?.signal, options?.signal].filter((signal) => signal !== undefined)
    try {
      const result = await this.#lease.query<Row>(statement, {
        ...this.#limits(options),
        signal: signals.length > 1 ? AbortSignal.any(signals) : signals[0],
      })
      this.#checkStillOpen()
      return result
    } catch (error) {
      this.#firstError ??= error
      this.#refuseIfStopped()
      if (error instanceof PoolhouseError && error.executed === 'unknown') this.#unknown.add(error)
      // COMMIT was never sent, so whatever was lost here is undone with the session.
      throw asExecuted(error, ifLost)
    }
  }

  /** A statement such as `select 1; commit` may have ended the transaction behind our back. */
  #checkStillOpen(): void {
    const { slot } = this.#lease
    if (slot.state === 'gone' || slot.connection!.inFlight > 0) return
    if (slot.connection!.transactionStatus() === 'idle' && this.#state === 'open') {
      this.#state = 'ended'
      this.#endedUnseen = new TransactionError(
        'a statement ended the transaction; its parts may have been committed',
        { executed: 'unknown' },
      )
      throw this.#endedUnseen
    }
  }

  #untilStopped<R>(work: (tx: Transaction) => Promise<R>): Promise<R> {
    return new Promise<R>((resolve, reject) => {
      this.#refuseIfStopped()
      this.#onStop = reject
      // An async wrapper also catches what `work` throws synchronously.
      void (async () => resolve(await work(this)))().catch(reject)
    })
  }

  async #commit(): Promise<void> {
    this.#state = 'committing'
    let result: QueryResult
    try {
      result = await this.#lease.query({ text: 'COMMIT' }, this.#limits())
    } catch (error) {
      if (error instanceof PoolhouseError && error.executed === 'unknown') {
        throw new InDoubtError(
          `COMMIT on pool "${this.#pool}" got no answer; the transaction may or may not have happened`,
          error,
        )
      }
      // The session died before COMMIT was written, or the server refused it: undone either way.
      throw asExecuted(error, 'rolled-back')
    } finally {
      this.#state = 'ended'
    }
    if (result.command === 'ROLLBACK') {
      throw new TransactionError(
        'COMMIT was answered with ROLLBACK: an earlier statement of the transaction had failed',
        { executed: 'rolled-back', cause: this.#firstError },
      )
    }
  }

  async #rollBack(): Promise<void> {
    const wasOver = this.#state === 'ended'
    this.#state = 'ended'
    const { slot } = this.#lease
    if (wasOver || slot.state === 'gone') return
    // Releasing rolls back as well; doing it here lets the caller see its end before the promise settles.
    if (!slot.quiet) return
    try {
      await this.#lease.query({ text: 'ROLLBACK' }, this.#limits({ timeoutMs: ROLLBACK_MS }))
    } catch {
      this.#lease.destroy('ROLLBACK failed')
    }
  }

  #limits(options?: QueryOptions): QueryOptions {
    if (this.#timeoutMs === undefined) return { timeoutMs: options?.timeoutMs }
    const left = Math.max(1, this.#deadline - this.#clock.now())
    return { timeoutMs: Math.min(left, options?.timeoutMs ?? left) }
  }
}

/** Says what is known of the outcome inside a transaction, where a lost session undoes everything. */
function asExecuted(error: unknown, executed: 'no' | 'rolled-back'): unknown {
  if (error instanceof ConnectionLostError && error.executed !== executed) {
    return new ConnectionLostError(error.message, {
      executed,
      sqlState: error.sqlState,
      cause: error.cause,
    })
  }
  return error
}
