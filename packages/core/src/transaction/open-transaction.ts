import { checkQueryOptions } from '../api/call-options.js'
import type { CopyResult } from '../api/driver.js'
import {
  type QueryOptions,
  type QueryResult,
  readQueryArguments,
  type Statement,
} from '../api/statement.js'
import type { CopyOptions, CopySource, StreamIterator, StreamOptions } from '../api/streaming.js'
import type { Transaction, TransactionOptions } from '../api/transaction.js'
import type { Clock, ClockTimer } from '../base/clock.js'
import type { PoolLease, WorkGuard } from '../lease/pool-lease.js'
import { asExecuted } from '../outcome/as-executed.js'
import { hasCondition } from '../outcome/conditions.js'
import { setExecuted } from '../outcome/database-error.js'
import {
  AbortError,
  ConnectionLostError,
  InDoubtError,
  StatementTimeoutError,
  TransactionError,
} from '../outcome/errors.js'
import type { Durability, Executed } from '../outcome/executed.js'
import { PoolhouseError } from '../outcome/poolhouse-error.js'
import type { TransactionIdentity } from '../outcome/transaction-outcome.js'
import type { Slot } from '../slot/slot.js'
import { guardWord } from '../sql/guard-words.js'
import { SqlStatements } from '../sql/sql-statements.js'
import { traitsOf } from '../sql/statement-traits.js'
import { CONTROLS_TRANSACTION } from '../sql/trait-flags.js'
import {
  checkCopyFromArguments,
  checkCopyToArguments,
  readStreamArguments,
} from '../statement/stream-arguments.js'
import { Savepoint } from './savepoint.js'
import {
  beginStatement,
  IDENTITY_QUERY,
  readIdentity,
  wantsIdentity,
} from './transaction-identity.js'
import { TransactionScope, type TurnLimits } from './transaction-scope.js'

const ROLLBACK_MS = 2_000
const SET = guardWord('set')
const TRANSACTION = guardWord('transaction')
// A COMMIT that is cancelled is rarely undone, and one that waits for its standbys becomes a local
// one: its own answer is worth a moment.
const COMMIT_PATIENCE_MS = 100

function refuseControl(call: string, { text }: Statement, escapes: boolean): void {
  if ((traitsOf(text, escapes) & CONTROLS_TRANSACTION) === 0) return
  throw new TransactionError(
    `${call} cannot begin or end a transaction; return from the callback to commit, use tx.rollback() to roll back and tx.savepoint(work) to nest`,
  )
}

function overError(executed: Executed = 'no'): TransactionError {
  return new TransactionError(
    'this transaction is over; await every query inside the callback, and do not keep tx beyond it',
    { executed },
  )
}

function scopeOverError(executed: Executed = 'no'): TransactionError {
  return new TransactionError(
    'this savepoint is over; await every query inside its callback, and do not keep its argument beyond it',
    { executed },
  )
}

function ignore(): void {}

/**
 * Whether the text is a `SET TRANSACTION …`, most of which PostgreSQL takes only before the first
 * query of a transaction.
 */
function setsTransaction(text: string): boolean {
  const statements = new SqlStatements(text)
  statements.next()
  if (statements.word !== SET) return false
  statements.next()
  return statements.word === TRANSACTION
}

/** The error of a transaction that its own limit has ended. */
export function stoppedByTimeout(timeoutMs: number, pool: string): StatementTimeoutError {
  return new StatementTimeoutError(timeoutMs, { executed: 'rolled-back', pool })
}

/**
 * One transaction on one lease: `open` → `ended` by COMMIT or ROLLBACK, or `stopped` from outside
 * by a deadline or a signal and then rolled back.
 */
export class OpenTransaction implements Transaction {
  readonly #lease: PoolLease
  readonly #pool: string
  readonly #clock: Clock
  readonly #deadline: number
  // Aborts every statement in flight or queued when the transaction is stopped; there only if it
  // can be.
  readonly #abort: AbortController | undefined
  readonly #options: TransactionOptions
  #state: 'open' | 'stopped' | 'committing' | 'ended' = 'open'
  // Whose turn it is; made with the first savepoint, so that other transactions pay nothing for it.
  #scope: TransactionScope | undefined
  #stopError: Error | undefined
  #onStop: ((error: Error) => void) | undefined
  #firstError: unknown
  #savepoints = 0
  #identity: TransactionIdentity | undefined
  // With that it has lost the identity that was taken with BEGIN.
  #begunAnew = false
  // Statements that the work has sent by `query`.
  #statements = 0
  #durability: Durability | undefined
  #patience: ClockTimer | undefined
  // Statements of ours that may have been done when their calls failed: it is known that they were
  // undone once the transaction has ended without COMMIT.
  readonly #unknown = new Set<unknown>()
  // A statement ended the transaction unseen; whatever the work does with that error, there is no
  // success to report.
  #endedUnseen: Error | undefined

  /** Takes a lease that nobody else uses and checked options. */
  constructor(lease: PoolLease, pool: string, clock: Clock, options: TransactionOptions) {
    const { timeoutMs, signal } = options
    const stoppable = timeoutMs !== undefined || signal !== undefined
    this.#abort = stoppable ? new AbortController() : undefined
    this.#lease = lease
    this.#pool = pool
    this.#clock = clock
    this.#options = options
    this.#deadline = timeoutMs === undefined ? Number.POSITIVE_INFINITY : clock.now() + timeoutMs
  }

  get open(): boolean {
    return this.#state === 'open'
  }

  get node(): string {
    return this.#pool
  }

  get durability(): Durability | undefined {
    return this.#durability
  }

  /** Whether its session is over, so that it can only have been undone. */
  get lost(): boolean {
    return this.#lease.slot.over
  }

  /** Sends BEGIN. */
  async begin(): Promise<void> {
    // Lost or timed out at BEGIN: nothing of the transaction can have happened.
    try {
      const begin = { text: beginStatement(this.#options) }
      const begun = this.#run(begin, undefined, undefined, 'no')
      // Nothing can have happened yet, so whoever stops it need not wait for the server's word.
      const result = await (this.#abort === undefined ? begun : this.#untilStopped(() => begun))
      if (wantsIdentity(this.#options)) this.#identity = readIdentity(result)
      const { openWith } = this.#options
      // It is the first statement, so that a SET TRANSACTION of the work begins no new transaction
      // without it.
      if (openWith !== undefined) {
        this.#statements++
        await this.#run(openWith, undefined, undefined, 'no')
      }
    } catch (error) {
      if (this.#unknown.has(error)) setExecuted(error as PoolhouseError, 'no')
      throw error
    }
  }

  /** Runs `work` and commits; rolls back if `work` rejects or the transaction is stopped. */
  async complete<R>(work: (tx: Transaction) => Promise<R>): Promise<R> {
    let result: R
    try {
      result = await this.#untilStopped(() => work(this))
      // Stopped or ended after the work's last word and before ours.
      this.#refuseIfStopped()
      if (this.#endedUnseen !== undefined) throw this.#endedUnseen
      this.workReturned()
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

  /** Throws if a savepoint is still open, now that the work has returned. */
  workReturned(): void {
    if (this.#state === 'open') this.#scope?.refuseOpenSavepoint()
  }

  /**
   * Ends the transaction from outside. While COMMIT is under way its own answer decides; after an
   * abort it is waited for a moment before it is cancelled, and after a time-out, which is COMMIT's
   * own, not at all.
   */
  stop(error: Error): void {
    if (this.#state === 'committing' && error instanceof AbortError) this.#hurry(error)
    if (this.#state !== 'open') return
    this.#state = 'stopped'
    this.#stopError = error
    this.#abort?.abort(error)
    this.#onStop?.(error)
    this.#scope?.abandon(() => error)
  }

  #hurry(error: AbortError): void {
    const cancel = (): void => this.#abort!.abort(error.cause)
    this.#patience = this.#clock.setTimer(cancel, COMMIT_PATIENCE_MS, { keepAlive: true })
  }

  /** Nothing can be sent any more. */
  end(): void {
    this.#state = 'ended'
    this.#scope?.close((executed) => this.#stopError ?? overError(executed))
  }

  query<Row = Record<string, unknown>>(
    first: string | Statement,
    second?: readonly unknown[] | QueryOptions,
    third?: QueryOptions,
  ): Promise<QueryResult<Row>> {
    return this.queryIn<Row>(this.#scope, first, second, third)
  }

  stream<Row = Record<string, unknown>>(
    first: string | Statement,
    second?: readonly unknown[] | StreamOptions,
    third?: StreamOptions,
  ): StreamIterator<Row> {
    return this.streamIn<Row>(undefined, first, second, third)
  }

  copyTo(sql: string, options?: CopyOptions): StreamIterator<Uint8Array> {
    return this.copyToIn(undefined, sql, options)
  }

  copyFrom(sql: string, source: CopySource, options?: CopyOptions): Promise<CopyResult> {
    return this.copyFromIn(this.#scope, sql, source, options)
  }

  savepoint<R>(work: (tx: Transaction) => Promise<R>): Promise<R> {
    return this.savepointIn(undefined, work)
  }

  rollback(): Promise<void> {
    return this.rollbackFrom(undefined)
  }

  // ── the same in one scope; undefined is the outermost ──

  /** `query` in this scope. */
  queryIn<Row = Record<string, unknown>>(
    scope: TransactionScope | undefined,
    first: string | Statement,
    second?: readonly unknown[] | QueryOptions,
    third?: QueryOptions,
  ): Promise<QueryResult<Row>> {
    return new Promise((resolve, reject) => {
      const { statement, options } = readQueryArguments(first, second, third)
      if (options !== undefined) checkQueryOptions(options)
      this.#refuseUnlessOpen(scope)
      refuseControl('tx.query', statement, this.#lease.slot.escapes)
      const result =
        scope?.busy === true
          ? this.#inTurn<Row>(scope, statement, options)
          : this.#run<Row>(this.#asFirst(statement), options, scope)
      result.then(resolve, reject)
    })
  }

  #inTurn<Row>(
    scope: TransactionScope,
    statement: Statement,
    options: QueryOptions | undefined,
  ): Promise<QueryResult<Row>> {
    // What was given at the call is sent.
    const taken = { ...statement, values: statement.values?.slice() }
    return scope.inTurn(options, (waitedMs) =>
      this.#run<Row>(this.#asFirst(taken), less(options, waitedMs), scope),
    )
  }

  /** `stream` in this scope. */
  streamIn<Row = Record<string, unknown>>(
    scope: TransactionScope | undefined,
    first: string | Statement,
    second?: readonly unknown[] | StreamOptions,
    third?: StreamOptions,
  ): StreamIterator<Row> {
    const { statement, options } = readStreamArguments(first, second, third)
    return this.#lease.openRows<Row>(
      statement,
      { ...options, signal: this.#signalWith(options?.signal) },
      this.#guard(scope, options, () =>
        refuseControl('tx.stream', statement, this.#lease.slot.escapes),
      ),
    )
  }

  /** `copyTo` in this scope. */
  copyToIn(
    scope: TransactionScope | undefined,
    sql: string,
    options?: CopyOptions,
  ): StreamIterator<Uint8Array> {
    checkCopyToArguments(sql, options)
    const signal = this.#signalWith(options?.signal)
    return this.#lease.openCopyOut(sql, { ...options, signal }, this.#guard(scope, options))
  }

  /** `copyFrom` in this scope. */
  async copyFromIn(
    scope: TransactionScope | undefined,
    sql: string,
    source: CopySource,
    options?: CopyOptions,
  ): Promise<CopyResult> {
    checkCopyFromArguments(sql, source, options)
    this.#refuseUnlessOpen(scope)
    const start = async (waitedMs: number): Promise<CopyResult> => {
      const signal = this.#signalWith(options?.signal)
      this.#statements++
      try {
        return await this.#lease.runCopyIn(sql, source, { ...less(options, waitedMs), signal })
      } catch (error) {
        throw this.#errorOf(error, scope)
      }
    }
    return await (scope === undefined ? start(0) : scope.inTurn(options, start))
  }

  #guard(
    scope: TransactionScope | undefined,
    limits: TurnLimits | undefined,
    check?: () => void,
  ): WorkGuard {
    return {
      begin: (start) => {
        // The scope of the outermost may have been made since the call.
        const turns = scope ?? this.#scope
        this.#refuseUnlessOpen(turns)
        check?.()
        this.#statements++
        return turns === undefined ? start(0) : turns.inTurn(limits, start)
      },
      failed: (error) => this.#errorOf(error, scope ?? this.#scope),
    }
  }

  /**
   * PostgreSQL takes most of SET TRANSACTION only before the first query, and ours for the identity
   * was one. As nothing else has been done yet, a new transaction is begun for it in the same
   * message; its identity is taken before COMMIT.
   */
  #asFirst(statement: Statement): Statement {
    const isFirst = this.#statements++ === 0 && this.#savepoints === 0
    if (!isFirst || this.#identity === undefined || statement.values?.length) return statement
    if (!setsTransaction(statement.text)) return statement
    this.#identity = undefined
    this.#begunAnew = true
    return { text: `ROLLBACK AND CHAIN; ${statement.text}`, rowMode: statement.rowMode }
  }

  /** `savepoint` in this scope. */
  savepointIn<R>(
    within: TransactionScope | undefined,
    work: (tx: Transaction) => Promise<R>,
  ): Promise<R> {
    const promise = new Promise<R>((resolve, reject) => {
      if (typeof work !== 'function') {
        throw new TypeError(`savepoint: work must be a function, got ${typeof work}`)
      }
      this.#refuseUnlessOpen(within)
      this.#scope ??= new TransactionScope(this.#clock, this.#pool)
      const outer = within ?? this.#scope
      outer
        .inTurn(undefined, () => this.#nest(outer, work, () => void promise.catch(ignore)))
        .then(resolve, reject)
    })
    return promise
  }

  async #nest<R>(
    outer: TransactionScope,
    work: (tx: Transaction) => Promise<R>,
    forgotten: () => void,
  ): Promise<R> {
    const scope = outer.enter()
    scope.forgotten = forgotten
    try {
      const name = `poolhouse_${++this.#savepoints}`
      await this.#run({ text: `SAVEPOINT ${name}` }, undefined, outer)
      this.#refuseUnlessOpen(outer)
      return await this.#inSavepoint(outer, scope, name, work)
    } finally {
      outer.leave()
    }
  }

  async #inSavepoint<R>(
    outer: TransactionScope,
    scope: TransactionScope,
    name: string,
    work: (tx: Transaction) => Promise<R>,
  ): Promise<R> {
    let result: R
    try {
      result = await scope.run(() => work(new Savepoint(this, scope)))
      if (this.#state === 'open') scope.refuseOpenSavepoint()
    } catch (error) {
      scope.close(scopeOverError)
      await this.#undo(outer, name)
      throw error
    }
    scope.close(scopeOverError)
    await this.#release(outer, scope, name)
    return result
  }

  async #undo(outer: TransactionScope, name: string): Promise<void> {
    await this.#closeOpen()
    if (this.#state !== 'open') return
    await this.#run({ text: `ROLLBACK TO SAVEPOINT ${name}` }, undefined, outer)
  }

  async #release(outer: TransactionScope, scope: TransactionScope, name: string): Promise<void> {
    await this.#closeOpen()
    if (this.#state !== 'open') {
      // Rolled back by its own work, it has ended as that wanted.
      if (scope.rolledBack) return
      throw this.#stopError ?? this.#endedUnseen ?? overError('rolled-back')
    }
    try {
      // What its work has not awaited is before it.
      if (!this.#hasFailed) {
        await this.#run({ text: `RELEASE SAVEPOINT ${name}` }, undefined, scope)
        return
      }
    } catch (error) {
      if (!hasCondition(error, 'in_failed_sql_transaction')) throw error
    }
    await this.#undo(outer, name)
    throw new TransactionError(
      'the savepoint was rolled back: an earlier statement of it had failed, and its work returned all the same',
      { executed: 'rolled-back', cause: scope.firstError },
    )
  }

  get #hasFailed(): boolean {
    const { connection, state } = this.#lease.slot
    return state !== 'gone' && connection!.transactionStatus() === 'failed'
  }

  /** `rollback` called on this scope: always of the whole transaction. */
  async rollbackFrom(scope: TransactionScope | undefined): Promise<void> {
    this.#refuseUnlessOpen(scope)
    this.#scope?.abandon(overError, scope ?? this.#scope)
    await this.#rollBack()
  }

  // A method, because control flow analysis would take the state for unchanged across an await.
  #refuseIfStopped(): void {
    if (this.#state === 'stopped') throw this.#stopError!
  }

  #refuseUnlessOpen(scope?: TransactionScope): void {
    this.#refuseIfStopped()
    if (this.#state !== 'open') throw overError()
    if (scope?.over === true) throw scopeOverError()
  }

  /** A signal that fires with the caller's and when the transaction is stopped. */
  #signalWith(signal: AbortSignal | undefined): AbortSignal | undefined {
    const signals = [this.#abort?.signal, signal].filter((one) => one !== undefined)
    return signals.length > 1 ? AbortSignal.any(signals) : signals[0]
  }

  async #run<Row>(
    statement: Statement,
    options: QueryOptions | undefined,
    scope?: TransactionScope,
    ifLost: 'no' | 'rolled-back' = 'rolled-back',
  ): Promise<QueryResult<Row>> {
    try {
      const result = await this.#lease.query<Row>(statement, {
        ...this.#limits(options),
        signal: this.#signalWith(options?.signal),
      })
      this.#checkStillOpen()
      return result
    } catch (error) {
      throw this.#errorOf(error, scope, ifLost)
    }
  }

  /** What the work is told of an error of the lease. */
  #errorOf(
    error: unknown,
    scope: TransactionScope | undefined,
    ifLost: 'no' | 'rolled-back' = 'rolled-back',
  ): unknown {
    if (scope === undefined || scope === this.#scope) this.#firstError ??= error
    else scope.firstError ??= error
    if (this.#state === 'stopped') return this.#stopError
    if (error instanceof PoolhouseError && /^(?:unknown|yes)$/.test(error.executed)) {
      this.#unknown.add(error)
    }
    // COMMIT was never sent, so whatever was lost here is undone with the session.
    return asExecuted(error, ifLost)
  }

  /** What is still open when the transaction ends comes to its end first. */
  #closeOpen(): Promise<void> {
    return this.#lease.closeOpen(overError())
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
      const ended = this.#endedUnseen
      this.#scope?.abandon(() => ended)
      throw this.#endedUnseen
    }
  }

  #untilStopped<R>(work: () => Promise<R>): Promise<R> {
    return new Promise<R>((resolve, reject) => {
      this.#refuseIfStopped()
      this.#onStop = reject
      // An async wrapper also catches what `work` throws synchronously.
      void (async () => resolve(await work()))().catch(reject)
    })
  }

  async #commit(): Promise<void> {
    this.#state = 'committing'
    const { slot } = this.#lease
    let result: QueryResult
    try {
      await this.#closeOpen()
      await this.#identifyLate()
      result = await this.#lease.query(
        { text: 'COMMIT' },
        { ...this.#limits(), signal: this.#abort?.signal },
      )
    } catch (error) {
      if (this.#isCommittedAfter(error, slot)) return
      throw error
    } finally {
      this.#state = 'ended'
      this.#patience?.cancel()
    }
    if (result.command === 'ROLLBACK') {
      throw new TransactionError(
        'COMMIT was answered with ROLLBACK: an earlier statement of the transaction had failed',
        { executed: 'rolled-back', cause: this.#firstError },
      )
    }
    this.#durability = slot.committedLocally ? 'local' : 'configured'
  }

  /**
   * Whether COMMIT has succeeded although its call failed. Throws what the caller is told if it has
   * not.
   */
  #isCommittedAfter(error: unknown, slot: Slot): boolean {
    if (!(error instanceof PoolhouseError)) throw error
    switch (error.executed) {
      case 'unknown':
        throw this.#inDoubt(error)
      case 'yes':
        if (error.durability !== undefined) this.#durability = error.durability
        // Its session was terminated in its wait for the standbys, by others, so there is no other
        // answer.
        if (slot.cancelSent || !(error instanceof ConnectionLostError)) throw error
        return true
      case 'no':
        // It was not sent, so its release will roll it back.
        setExecuted(error, 'rolled-back')
        throw error
      case 'rolled-back':
        throw error
    }
  }

  async #identifyLate(): Promise<void> {
    if (!this.#begunAnew) return
    const { connection, state } = this.#lease.slot
    if (state === 'gone' || connection!.transactionStatus() !== 'active') return
    try {
      const result = await this.#lease.query({ text: IDENTITY_QUERY }, this.#limits())
      this.#identity = readIdentity(result)
    } catch (error) {
      // COMMIT has not been sent.
      if (error instanceof PoolhouseError && error.executed === 'unknown') {
        setExecuted(error, 'rolled-back')
      }
      throw error
    }
  }

  #inDoubt(cause: PoolhouseError): InDoubtError {
    const { resolver } = this.#options
    return new InDoubtError(
      `COMMIT on pool "${this.#pool}" got no answer; the transaction may or may not have happened`,
      cause,
      this.#identity && resolver?.(this.#identity),
    )
  }

  async #rollBack(): Promise<void> {
    const wasOver = this.#state === 'ended'
    this.#state = 'ended'
    const { slot } = this.#lease
    if (wasOver || slot.state === 'gone') return
    await this.#closeOpen()
    // Releasing rolls back as well; doing it here lets the caller see its end before the promise
    // settles.
    if (!slot.quiet) return
    try {
      await this.#lease.query({ text: 'ROLLBACK' }, this.#limits({ timeoutMs: ROLLBACK_MS }))
    } catch {
      this.#lease.destroy('ROLLBACK failed')
    }
  }

  #limits(options?: QueryOptions): QueryOptions {
    if (this.#options.timeoutMs === undefined) return { timeoutMs: options?.timeoutMs }
    const left = Math.max(1, this.#deadline - this.#clock.now())
    return { timeoutMs: Math.min(left, options?.timeoutMs ?? left) }
  }
}

/** The limits that are left after a wait. */
function less<Options extends { timeoutMs?: number | undefined }>(
  options: Options | undefined,
  waitedMs: number,
): Options | undefined {
  if (options?.timeoutMs === undefined || waitedMs === 0) return options
  return { ...options, timeoutMs: Math.max(1, options.timeoutMs - waitedMs) }
}
