import type { CopyResult } from '../api/driver.js'
import type { QueryOptions, QueryResult, Statement } from '../api/statement.js'
import type { CopyOptions, CopySource, StreamArguments, StreamIterator } from '../api/streaming.js'
import { tracing } from '../api/tracing.js'
import type { Transaction, TransactionOptions } from '../api/transaction.js'
import type { Clock } from '../base/clock.js'
import { checkFunction } from '../base/option-check.js'
import { readable } from '../decorate/readable.js'
import type { PoolLease, WorkGuard } from '../lease/pool-lease.js'
import { asExecuted } from '../outcome/as-executed.js'
import { clearStatementIndex, setExecuted } from '../outcome/database-error.js'
import { isUndone } from '../outcome/error-meaning.js'
import { AbortError, InDoubtError } from '../outcome/errors.js'
import { failCall, type SettleCall } from '../outcome/fail-call.js'
import type { Durability } from '../outcome/outcome.js'
import { PoolhouseError } from '../outcome/poolhouse-error.js'
import type { Slot } from '../slot/slot.js'
import {
  checkCopyFromArguments,
  checkCopyToArguments,
  readQueryCall,
  readStreamArguments,
} from '../statement/call-arguments.js'
import { beginsApart, openingOf } from './opening.js'
import { runSavepoint } from './savepoint.js'
import {
  endedUnseenError,
  overError,
  refuseControl,
  refuseUnlessCommitted,
  rolledBackError,
  scopeOverError,
} from './transaction-errors.js'
import { beginStatement, IdentityOfTransaction } from './transaction-identity.js'
import { less, TransactionLimits } from './transaction-limits.js'
import { TransactionScope, type TurnLimits } from './transaction-scope.js'
import { TransactionSession } from './transaction-session.js'

const ROLLBACK_MS = 2_000
const [COMMIT, ROLLBACK]: [Statement, Statement] = [{ text: 'COMMIT' }, { text: 'ROLLBACK' }]

/**
 * One transaction on one lease: `open` → `ended` by COMMIT or ROLLBACK, or `stopped` from outside
 * by a deadline or a signal and then rolled back, or because it could not be begun. BEGIN goes out
 * with the first statement, so until there is one the server knows nothing of it.
 */
export class OpenTransaction extends TransactionSession implements Transaction {
  static {
    readable(OpenTransaction, 'Transaction', ({ node, open }) => ({ node, open }))
  }

  readonly #clock: Clock
  readonly #identity: IdentityOfTransaction | undefined
  readonly #options: TransactionOptions
  #state: 'open' | 'stopped' | 'committing' | 'ended' = 'open'
  // Why it could not be begun; whatever the work makes of that, it is what the caller is told.
  #notBegun: Error | undefined
  // Whose turn it is; made with the first savepoint, so that other transactions pay nothing for it.
  #scope: TransactionScope | undefined
  #stopError: Error | undefined
  #settle: SettleCall | undefined
  #firstError: unknown
  #savepoints = 0
  #statements = 0
  #durability: Durability | undefined
  // Statements of ours that may have been done when their calls failed: it is known that they were
  // undone once the transaction has ended without COMMIT.
  #unknown: Set<unknown> | undefined
  // A statement ended the transaction unseen; whatever the work does with that error, there is no
  // success to report.
  #endedUnseen: Error | undefined

  /** Takes a lease of its own and checked options. */
  constructor(lease: PoolLease, pool: string, clock: Clock, options: TransactionOptions) {
    super(lease, pool, TransactionLimits.of(clock, options), openingOf(options))
    this.#clock = clock
    this.#options = options
    this.#identity = IdentityOfTransaction.of(options)
  }

  get open(): boolean {
    return this.#state === 'open'
  }

  get durability(): Durability | undefined {
    return this.#durability
  }

  /** Whether `begin` is to be called before the work. */
  get beginsApart(): boolean {
    return beginsApart(this.lease.slot, this.#options)
  }

  /** Sends BEGIN by itself; resolves when the server has answered. */
  async begin(): Promise<void> {
    const send = () => this.sendOpening([], { text: beginStatement(this.#options) })
    // Nothing can have happened yet, so a stop need not wait for the server's answer. Of a
    // transaction that is stopped already nothing is sent: its failure would reach no caller.
    const result = await (this.limits === undefined ? send() : this.untilStopped(send))
    this.#identity?.read(result)
    const { openWith } = this.#options
    // It is the first statement, so that a SET TRANSACTION of the work begins no new transaction
    // without it.
    if (openWith !== undefined) {
      this.#statements++
      await this.sendOpening([], openWith)
    }
  }

  /** The work has returned. Throws if that is no success. */
  returned(): void {
    // Stopped or ended after the work's last word and before ours.
    this.#refuseIfStopped()
    if (this.#endedUnseen !== undefined) throw this.#endedUnseen
    this.workReturned()
  }

  /** The work or COMMIT has failed: rolls back. Resolves with what the caller is told. */
  async failed(error: unknown): Promise<unknown> {
    // After a stop the caller does not wait: the connection is cleaned after its release.
    if (this.#state !== 'stopped') await this.#rollBack()
    if (this.#notBegun !== undefined) {
      // The first statement of an array was told of it, and is not what it is about.
      clearStatementIndex(this.#notBegun)
      return this.#notBegun
    }
    if (this.#endedUnseen === undefined && this.#unknown?.has(error) === true) {
      setExecuted(error as PoolhouseError, 'rolled-back')
    }
    return error
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
    if (this.#state === 'committing' && error instanceof AbortError) {
      this.limits!.stopCommit(error.cause)
    }
    if (this.#state !== 'open') return
    this.#state = 'stopped'
    this.#stopError = this.aboutRunning(error)
    this.limits?.stop(error)
    this.#scope?.abandon(() => error)
    if (this.#settle !== undefined) failCall(this.#settle, error)
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

  stream<Row = Record<string, unknown>>(...args: StreamArguments): StreamIterator<Row> {
    return this.streamIn<Row>(undefined, ...args)
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
      const { statement, options } = readQueryCall(first, second, third)
      this.#refuseUnlessOpen(scope)
      refuseControl('tx.query', statement, this.lease.slot.escapes)
      if (scope?.busy === true) {
        this.#inTurn<Row>(scope, statement, options).then(resolve, reject)
      } else if (tracing.query.hasSubscribers) {
        this.run<Row>(this.#asFirst(statement), options, scope).then(resolve, reject)
      } else {
        this.send(this.#asFirst(statement), options, scope, resolve)
      }
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
      this.run<Row>(this.#asFirst(taken), less(options, waitedMs), scope),
    )
  }

  /** `stream` in this scope. */
  streamIn<Row = Record<string, unknown>>(
    scope: TransactionScope | undefined,
    ...args: StreamArguments
  ): StreamIterator<Row> {
    const { statement, options } = readStreamArguments(...args)
    return this.lease.openRows<Row>(
      statement,
      { ...options, signal: this.signal(options) },
      this.#guard(scope, options, () =>
        refuseControl('tx.stream', statement, this.lease.slot.escapes),
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
    const signal = this.signal(options)
    return this.lease.openCopyOut(sql, { ...options, signal }, this.#guard(scope, options))
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
      const signal = this.signal(options)
      this.#statements++
      this.openAhead()
      try {
        return await this.lease.runCopyIn(sql, source, { ...less(options, waitedMs), signal })
      } catch (error) {
        throw this.toldOf(error as Error, scope)
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
        const begin = (waitedMs: number): Promise<void> => {
          this.openAhead()
          return start(waitedMs)
        }
        return turns === undefined ? begin(0) : turns.inTurn(limits, begin)
      },
      failed: (error) => this.toldOf(error as Error, scope ?? this.#scope),
    }
  }

  #asFirst(statement: Statement): Statement {
    const isFirst = this.#statements++ === 0 && this.#savepoints === 0
    return isFirst && this.#identity !== undefined ? this.#identity.asFirst(statement) : statement
  }

  /** `savepoint` in this scope. */
  savepointIn<R>(
    within: TransactionScope | undefined,
    work: (tx: Transaction) => Promise<R>,
  ): Promise<R> {
    const promise = new Promise<R>((resolve, reject) => {
      checkFunction('savepoint', work, 'work')
      this.#refuseUnlessOpen(within)
      this.#scope ??= new TransactionScope(this.#clock, this.node)
      const outer = within ?? this.#scope
      outer
        .inTurn(undefined, () => this.#nest(outer, work, () => void promise.catch(() => {})))
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
      await this.sendIn(outer, `SAVEPOINT ${name}`)
      this.#refuseUnlessOpen(outer)
      return await runSavepoint(this, outer, scope, name, work)
    } finally {
      outer.leave()
    }
  }

  /** Why it is over, for the caller of a savepoint. */
  whyOver(): Error {
    return this.#stopError ?? this.#endedUnseen ?? overError('rolled-back')
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

  toldOf(error: Error, scope: TransactionScope | undefined): Error {
    if (scope === undefined || scope === this.#scope) this.#firstError ??= error
    else scope.firstError ??= error
    if (this.#state === 'stopped') return this.#stopError!
    if (error instanceof PoolhouseError && !isUndone(error)) {
      this.#unknown ??= new Set()
      this.#unknown.add(error)
    }
    // COMMIT was never sent, so whatever was lost here is undone with the session.
    return asExecuted(error, 'rolled-back') as Error
  }

  notBegun(error: Error, rode: boolean): Error {
    // What rode with it may have been done, and was undone with the session.
    const rolledBack = rode && !(error instanceof PoolhouseError && error.executed === 'no')
    const known = rolledBack ? 'rolled-back' : 'no'
    const told = asExecuted(error, known) as Error
    if (told instanceof PoolhouseError && !isUndone(told)) setExecuted(told, known)
    if (this.#state === 'open') {
      this.#notBegun = told
      this.#state = 'stopped'
      this.#stopError = told
    }
    const reason = this.#stopError ?? told
    this.lease.dropQueued(() => reason)
    this.#scope?.abandon(() => reason)
    return reason
  }

  /** A statement such as `select 1; commit` may have ended the transaction behind our back. */
  objectionTo(slot: Slot): Error | null {
    if (this.#state !== 'open' || slot.connection!.transactionStatus() !== 'idle') return null
    this.#state = 'ended'
    const ended = endedUnseenError()
    this.#endedUnseen = ended
    this.#scope?.abandon(() => ended)
    // It would be on its own now.
    this.lease.dropQueued(overError)
    return ended
  }

  /** Calls `work`; its end, or that of the transaction from outside, whichever is first. */
  untilStopped<R>(work: () => Promise<R>): Promise<R> {
    return new Promise<R>((resolve, reject) => {
      this.#refuseIfStopped()
      this.#settle = resolve
      // Also for what `work` throws synchronously. Not by functions of ours, past which V8 would
      // not find the callers of what fails inside.
      ;(async () => await work())().then(resolve, reject)
    })
  }

  /**
   * Sends COMMIT; resolves with its answer, or with undefined if it had nothing to do. Undefined if
   * the transaction is over already. Not an async function, which cost as much as COMMIT itself.
   */
  commit(): Promise<QueryResult | undefined> | undefined {
    if (this.#state !== 'open') return undefined
    if (this.opening !== undefined) return this.#commitNothing(this.opening)
    this.#state = 'committing'
    if (this.lease.hasOpen || this.#identity !== undefined) return this.#commitAfterAll()
    return this.#sendCommit()
  }

  #sendCommit(): Promise<QueryResult> {
    return this.lease.ask(COMMIT, this.limited(undefined))
  }

  async #commitAfterAll(): Promise<QueryResult> {
    if (this.lease.hasOpen) await this.closeOpen()
    if (this.#identity !== undefined && this.isActive) {
      await this.#identity.readLate((statement) =>
        this.lease.ask(statement, { timeoutMs: this.timeoutMs() }),
      )
    }
    return await this.#sendCommit()
  }

  /**
   * The work has sent nothing, so BEGIN and COMMIT go out together, and show that the server is
   * there: nothing can be in doubt. What opens every transaction goes out before COMMIT.
   */
  async #commitNothing(opening: readonly Statement[]): Promise<QueryResult | undefined> {
    if (opening.length > 1) {
      await this.sendOpening(opening.slice(0, -1), opening.at(-1)!)
      this.#refuseIfStopped()
      this.#state = 'committing'
      return await this.#sendCommit()
    }
    this.#state = 'committing'
    try {
      await this.sendOpening(opening, COMMIT)
    } finally {
      this.#committed()
    }
    return undefined
  }

  /** COMMIT was answered. Throws if that was no success. */
  committed(answer: QueryResult | undefined): void {
    this.#committed()
    if (answer?.command === 'ROLLBACK') throw rolledBackError(this.#firstError)
    this.#durability = this.lease.slot.committedLocally ? 'local' : 'configured'
  }

  /** COMMIT has failed. Throws what the caller is told, unless it is done all the same. */
  commitFailed(error: unknown): void {
    if (this.#state !== 'committing') throw error
    this.#committed()
    if (error instanceof PoolhouseError && error.executed === 'yes') {
      this.#durability = error.durability
    }
    refuseUnlessCommitted(error, this.lease.slot.cancelSent, (cause) => this.#inDoubt(cause))
  }

  #committed(): void {
    this.#state = 'ended'
    this.limits?.committed()
  }

  #inDoubt(cause: PoolhouseError): InDoubtError {
    return new InDoubtError(
      `COMMIT on pool "${this.node}" got no answer; the transaction may or may not have happened`,
      cause,
      this.#identity?.resolver(),
    )
  }

  async #rollBack(): Promise<void> {
    const wasOver = this.#state === 'ended'
    this.#state = 'ended'
    const { slot } = this.lease
    // The server knows nothing of it before its first statement.
    if (wasOver || slot.state === 'gone' || this.opening !== undefined) return
    if (this.lease.hasOpen) await this.closeOpen()
    // Releasing rolls back as well; doing it here lets the caller see its end before the promise
    // settles.
    if (!slot.quiet) return
    try {
      await this.lease.ask(ROLLBACK, { timeoutMs: this.timeoutMs({ timeoutMs: ROLLBACK_MS }) })
    } catch {
      this.lease.destroy('ROLLBACK failed')
    }
  }
}
