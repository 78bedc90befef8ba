import type { ConnectionInfo, CopyResult, RawHolder, TransactionStatus } from '../api/driver.js'
import type { Lease } from '../api/lease.js'
import type { BatchOptions, QueryOptions, QueryResult, Statement } from '../api/statement.js'
import type {
  CopyOptions,
  CopySource,
  StreamArguments,
  StreamIterator,
  StreamOptions,
} from '../api/streaming.js'
import { traceQuery, tracing } from '../api/tracing.js'
import { readable } from '../decorate/readable.js'
import type { PoolEngine } from '../engine/pool-engine.js'
import { AbortError, LeaseReleasedError } from '../outcome/errors.js'
import type { SettleCall } from '../outcome/fail-call.js'
import type { ServerIdentity } from '../server/server-identity.js'
import type { Slot } from '../slot/slot.js'
import { traitsOf } from '../sql/statement-traits.js'
import {
  type BatchKind,
  type BatchListener,
  BatchRun,
  type Outcome,
} from '../statement/batch-run.js'
import {
  checkCopyFromArguments,
  checkCopyToArguments,
  readBatchCall,
  readQueryCall,
  readStreamArguments,
} from '../statement/call-arguments.js'
import { aboutStatement } from '../statement/session-work.js'
import { StatementOrder } from '../statement/statement-order.js'
import { type RunHost, StatementRun } from '../statement/statement-run.js'
import { BatchIterator, type BatchWork } from '../stream/batch-iterator.js'
import { CopyIn } from '../stream/copy-in.js'
import { CopyOut } from '../stream/copy-out.js'
import { RowStream } from '../stream/row-stream.js'
import type { StreamingWork } from '../stream/streaming-work.js'
import { traceBatch } from '../stream/trace-batch.js'
import { observeWork, traceWork } from '../stream/trace-work.js'
import type { LeasedSession, OfSession } from './leased-session.js'

/** What a transaction has to say about a stream or a copy of its lease. */
export interface WorkGuard {
  /**
   * Calls `start` when it may begin, with the milliseconds that it had to wait; rejects or throws
   * if it must not.
   */
  begin(start: (waitedMs: number) => Promise<void>): Promise<void>
  /** What the caller is told of an error. */
  failed(error: unknown): unknown
}

/**
 * The handle a caller holds. It is valid while its generation is the slot's; afterwards it can do
 * nothing to the connection.
 */
export class PoolLease implements Lease, OfSession {
  static {
    readable(PoolLease, 'Lease', ({ node: pool, connection, valid }) => ({
      pool,
      connection,
      released: !valid,
    }))
  }

  readonly #engine: PoolEngine
  readonly #slot: Slot
  readonly #generation: number
  #order: StatementOrder | undefined
  // Made when it is asked for; it refuses once the lease is over.
  #raw: unknown

  /** Made when the slot has just been marked as leased. */
  constructor(engine: PoolEngine, slot: Slot) {
    this.#engine = engine
    this.#slot = slot
    this.#generation = slot.generation
  }

  get connection(): number {
    return this.#slot.id
  }

  get node(): string {
    return this.#engine.name
  }

  get info(): ConnectionInfo {
    return this.#slot.connection!.info
  }

  get server(): ServerIdentity | undefined {
    return this.#slot.server
  }

  get raw(): unknown {
    if (!this.valid) throw this.released()
    // A function of the server may do what no text shows, and a listener what no statement does:
    // the session counts as changed.
    this.#slot.takeRaw()
    const connection = this.#slot.connection!
    if (connection.lendRaw === undefined) return connection.raw
    if (this.#raw === undefined) {
      this.#slot.resetAhead()
      this.#raw = connection.lendRaw(new LeaseHolder(this))
    }
    return this.#raw
  }

  get leasedSession(): LeasedSession {
    return new SessionOfLease(this)
  }

  /** The pool's limit for one statement, in milliseconds; 0 for none. */
  get statementTimeoutMs(): number {
    return this.#engine.statementTimeoutMs()
  }

  get signal(): AbortSignal {
    if (!this.valid) return AbortSignal.abort(new LeaseReleasedError(this.#engine.name))
    return this.#slot.signal
  }

  /** Whether the connection is still this lease's. */
  get valid(): boolean {
    return this.#slot.generation === this.#generation
  }

  /** The error for what is asked of the lease after its end. */
  released(): LeaseReleasedError {
    return new LeaseReleasedError(this.#engine.name)
  }

  /** The place the lease holds, for the parts of the engine that follow the session's status. */
  get slot(): Slot {
    return this.#slot
  }

  query<Row = Record<string, unknown>>(
    first: string | Statement,
    second?: readonly unknown[] | QueryOptions,
    third?: QueryOptions,
  ): Promise<QueryResult<Row>> {
    if (!tracing.query.hasSubscribers) return this.#query(first, second, third)
    return traceQuery(this.node, first, () => this.#query<Row>(first, second, third))
  }

  #query<Row>(
    first: string | Statement,
    second: readonly unknown[] | QueryOptions | undefined,
    third: QueryOptions | undefined,
  ): Promise<QueryResult<Row>> {
    return new Promise((resolve) => {
      const { statement, options } = readQueryCall(first, second, third)
      this.#send(statement, options, resolve)
    })
  }

  #send(
    statement: Statement,
    options: QueryOptions | undefined,
    resolve: ((result: QueryResult<never>) => void) & SettleCall,
  ): void {
    const engine = this.#engine
    const refusal = this.refusal(options?.signal)
    if (refusal !== undefined) throw aboutStatement(engine, refusal, statement.text)
    const { order } = this
    const now = engine.now()
    const run = new StatementRun(engine, order, statement, options, now, resolve)
    this.observe(run)
    order.submit(run, now)
  }

  /** Tells who watches the pool of a statement. */
  observe(run: StatementRun): void {
    const observer = this.#engine.hub.calls?.observer
    if (observer !== undefined) run.observe(observer)
  }

  /** `query` with a statement and options of ours, which need no check. */
  ask(statement: Statement, options?: QueryOptions): Promise<QueryResult> {
    const run = (): Promise<QueryResult> =>
      new Promise((resolve) => this.#send(statement, options, resolve))
    return tracing.query.hasSubscribers ? traceQuery(this.node, statement, run) : run()
  }

  /** The pool, as its statements see it. */
  get host(): RunHost {
    return this.#engine
  }

  /** Whose turn it is on the session. */
  get order(): StatementOrder {
    this.#order ??= new StatementOrder(this.#engine, this.#slot)
    return this.#order
  }

  /** Fails what has not been sent. */
  dropQueued(errorOf: () => Error): void {
    this.#order?.drop(errorOf)
  }

  /** Why nothing can be sent, if that is so; `signal` is that of the call. */
  refusal(signal?: AbortSignal): Error | undefined {
    if (!this.valid) return new LeaseReleasedError(this.#engine.name)
    if (this.#slot.over) return this.#slot.lostError()
    return signal?.aborted ? new AbortError(signal.reason, 'no') : undefined
  }

  batch(statements: readonly (Statement | string)[], options?: BatchOptions): Promise<Outcome[]> {
    return new Promise((resolve) => {
      const call = readBatchCall('batch', statements, options)
      this.runBatch(call.statements, 'each', call.options, { resolve })
    })
  }

  /**
   * Several statements as one step, for which `options` hold as a whole; undefined if the driver
   * cannot send them so, and then nothing was sent. What follows a failed one is passed over.
   */
  runJoined(
    statements: readonly Statement[],
    options: BatchOptions | undefined,
  ): Promise<Outcome[] | undefined> {
    return new Promise((resolve) => {
      const refused = (): void => resolve(undefined)
      this.runBatch(statements, 'joined', options, { resolve, refused })
    })
  }

  /** Runs statements that were taken. Throws where nothing can be sent. */
  runBatch(
    statements: readonly Statement[],
    kind: BatchKind,
    options: BatchOptions | undefined,
    listener: BatchListener,
  ): void {
    const refusal = this.refusal(options?.signal)
    if (refusal !== undefined) throw refusal
    if (statements.length === 0) {
      listener.resolve([])
      return
    }
    this.#order ??= new StatementOrder(this.#engine, this.#slot)
    const now = this.#engine.now()
    const observer = this.#engine.hub.calls?.observer
    const told =
      tracing.query.hasSubscribers || observer !== undefined
        ? traceBatch(this.#engine, statements, listener, observer)
        : listener
    const run = new BatchRun(this.#engine, this.#order, statements, kind, options, now, told)
    this.#order.submit(run, now)
  }

  stream<Row = Record<string, unknown>>(...args: StreamArguments): StreamIterator<Row> {
    const { statement, options } = readStreamArguments(...args)
    return this.openRows(statement, options)
  }

  copyTo(sql: string, options?: CopyOptions): StreamIterator<Uint8Array> {
    checkCopyToArguments(sql, options)
    return this.openCopyOut(sql, options)
  }

  async copyFrom(sql: string, source: CopySource, options?: CopyOptions): Promise<CopyResult> {
    checkCopyFromArguments(sql, source, options)
    return await this.runCopyIn(sql, source, options)
  }

  /** `stream` with checked arguments. */
  openRows<Row>(
    statement: Statement,
    options: StreamOptions = {},
    guard?: WorkGuard,
  ): BatchIterator<Row> {
    return this.#iterate(new RowStream(this.#engine, statement, options), guard)
  }

  /** `copyTo` with checked arguments. */
  openCopyOut(
    sql: string,
    options: CopyOptions = {},
    guard?: WorkGuard,
  ): BatchIterator<Uint8Array> {
    return this.#iterate(new CopyOut(this.#engine, sql, options), guard)
  }

  /** `copyFrom` with checked arguments. */
  async runCopyIn(sql: string, source: CopySource, options: CopyOptions = {}): Promise<CopyResult> {
    const work = new CopyIn(this.#engine, sql, source, options)
    await this.#begin(work)
    return await work.run()
  }

  /**
   * Ends the stream or copy that is open, if one is; resolves when the server has answered all of
   * it.
   */
  async closeOpen(error: Error): Promise<void> {
    this.#order?.close(error)
    if (this.#slot.occupant !== undefined) await this.#slot.whenQuiet()
  }

  /** Whether a stream or copy is open, or has been and the server has not answered all of it. */
  get hasOpen(): boolean {
    return this.#slot.occupant !== undefined || this.#order?.hasOpen === true
  }

  // The iterator holds the lease by this, and the lease must not be collected before it.
  #iterate<T>(work: BatchWork, guard: WorkGuard | undefined): BatchIterator<T> {
    return new BatchIterator<T>(work, {
      begin: async () => {
        if (guard === undefined) await this.#begin(work)
        else await guard.begin((waitedMs) => this.#begin(work, waitedMs))
      },
      failed: (error) => (guard === undefined ? error : guard.failed(error)),
    })
  }

  #begin(work: StreamingWork, waitedMs = 0): Promise<void> {
    if (tracing.query.hasSubscribers) traceWork(this.node, work)
    const observer = this.#engine.hub.calls?.observer
    if (observer !== undefined) observeWork(observer, this.#engine, work)
    const { order } = this
    return work.begin(
      order,
      () => {
        const refusal = this.refusal()
        if (refusal !== undefined) throw refusal
        order.open(work)
      },
      waitedMs,
    )
  }

  release(): void {
    if (!this.valid) {
      this.#engine.returns.releasedAgain(this.#slot)
      return
    }
    this.#order?.drop((executed) => new LeaseReleasedError(this.#engine.name, executed))
    this.#engine.returns.giveBack(this.#slot)
  }

  destroy(reason = 'destroyed by its holder'): void {
    if (!this.valid) {
      this.#engine.returns.releasedAgain(this.#slot)
      return
    }
    this.#order?.drop((executed) => new LeaseReleasedError(this.#engine.name, executed))
    this.#engine.returns.discard(this.#slot, reason)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.valid) this.release()
  }
}

/** The session under a lease. */
class SessionOfLease implements LeasedSession {
  readonly #lease: PoolLease

  /** Knows the session for as long as the lease is valid. */
  constructor(lease: PoolLease) {
    this.#lease = lease
  }

  get over(): boolean {
    return !this.#lease.valid || this.#lease.slot.over
  }

  get hasOwnProcess(): boolean {
    return this.#lease.slot.hasOwnProcess
  }

  get resets(): number {
    return this.#lease.slot.marks.resets
  }

  get statementTimeoutMs(): number {
    return this.#lease.statementTimeoutMs
  }

  transactionStatus(): TransactionStatus {
    return this.over ? 'unknown' : this.#lease.slot.connection!.transactionStatus()
  }

  keep(): void {
    if (this.transactionStatus() === 'idle') this.#lease.slot.keep()
  }
}

/**
 * The holder that a lease is. What is sent through its raw object is judged by its text, as what is
 * sent through the lease.
 */
class LeaseHolder implements RawHolder {
  readonly #lease: PoolLease

  /** Holds for as long as the lease is valid. */
  constructor(lease: PoolLease) {
    this.#lease = lease
  }

  refusal(): Error | undefined {
    return this.#lease.valid ? undefined : this.#lease.released()
  }

  sends(text: string): void {
    const { slot } = this.#lease
    slot.marks.note(traitsOf(text, slot.escapes))
  }

  exposed(what: string): void {
    this.#lease.slot.marks.spoil(`${what} was handed out, which no reset takes back`)
  }
}
