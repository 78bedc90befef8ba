import type { QueryOptions, QueryResult, Statement } from '../api/statement.js'
import { traceQuery, tracing } from '../api/tracing.js'
import type { PoolLease } from '../lease/pool-lease.js'
import type { SettleCall } from '../outcome/fail-call.js'
import type { Slot } from '../slot/slot.js'
import { aboutStatement } from '../statement/session-work.js'
import { overError } from './transaction-errors.js'
import type { TransactionLimits } from './transaction-limits.js'
import { OpeningRun, type RunKeeper, TransactionRun } from './transaction-run.js'
import type { TransactionScope } from './transaction-scope.js'

/** Settles the promise of a statement's caller; by `failCall` where it fails. */
type Settle = ((result: QueryResult<never>) => void) & SettleCall

/** The session of one transaction: how its statements get there, and BEGIN with the first. */
export abstract class TransactionSession implements RunKeeper {
  readonly #lease: PoolLease
  readonly #pool: string
  readonly #limits: TransactionLimits | undefined
  #opening: readonly Statement[] | undefined

  /** Sends nothing yet. `opening` begins the transaction. */
  constructor(
    lease: PoolLease,
    pool: string,
    limits: TransactionLimits | undefined,
    opening: readonly Statement[],
  ) {
    this.#lease = lease
    this.#pool = pool
    this.#limits = limits
    this.#opening = opening
  }

  /** Name of the pool of the node it runs on. */
  get node(): string {
    return this.#pool
  }

  /** The lease that it runs on. */
  protected get lease(): PoolLease {
    return this.#lease
  }

  /** What may end it from outside, if there is something. */
  protected get limits(): TransactionLimits | undefined {
    return this.#limits
  }

  /**
   * What goes out in front of the first statement; undefined once it has, and the server may know
   * of the transaction.
   */
  protected get opening(): readonly Statement[] | undefined {
    return this.#opening
  }

  /** Says which statement is under way, if there is one, of what stops the transaction. */
  protected aboutRunning(error: Error): Error {
    const { connection, lastStatement } = this.#lease.slot
    const isRunning = connection !== undefined && connection.inFlight > 0
    return isRunning ? aboutStatement(this.#lease.host, error, lastStatement ?? '') : error
  }

  abstract objectionTo(slot: Slot): Error | null
  abstract toldOf(error: Error, scope: TransactionScope | undefined): Error
  abstract notBegun(error: Error, rode: boolean): Error

  /** Sends a statement in this scope. */
  protected run<Row>(
    statement: Statement,
    options: QueryOptions | undefined,
    scope: TransactionScope | undefined,
  ): Promise<QueryResult<Row>> {
    return this.#traced(statement, (resolve) => this.send(statement, options, scope, resolve))
  }

  /** Sends what begins the transaction, of which any failure means that it was not begun. */
  protected sendOpening(opening: readonly Statement[], statement: Statement): Promise<QueryResult> {
    return this.#traced(statement, (resolve) => {
      const options = this.limited(undefined)
      const refusal = this.#lease.refusal(options?.signal)
      if (refusal !== undefined) throw this.notBegun(refusal, false)
      this.#begin(opening, true, statement, options, undefined, resolve)
    })
  }

  #traced<Row>(statement: Statement, send: (resolve: Settle) => void): Promise<QueryResult<Row>> {
    const run = (): Promise<QueryResult<Row>> => new Promise<QueryResult<Row>>(send)
    return tracing.query.hasSubscribers ? traceQuery(this.#pool, statement, run) : run()
  }

  /**
   * As `run`, in the executor of a promise that is there already. Throws what it is refused for.
   */
  protected send(
    statement: Statement,
    options: QueryOptions | undefined,
    scope: TransactionScope | undefined,
    resolve: Settle,
  ): void {
    const limited = this.limited(options)
    const lease = this.#lease
    const why = lease.refusal(limited?.signal)
    if (why !== undefined) {
      const about = aboutStatement(lease.host, why, statement.text)
      const isLost = this.#opening !== undefined && lease.slot.over
      throw isLost ? this.notBegun(about, false) : this.toldOf(about, scope)
    }
    const opening = this.#opening
    if (opening !== undefined) {
      this.#begin(opening, false, statement, limited, scope, resolve)
      return
    }
    const run = new TransactionRun(this, scope, lease, statement, limited, resolve)
    lease.observe(run)
    lease.order.submit(run, run.startedAt)
  }

  #begin(
    opening: readonly Statement[],
    isAll: boolean,
    statement: Statement,
    options: QueryOptions | undefined,
    scope: TransactionScope | undefined,
    resolve: Settle,
  ): void {
    this.#opening = undefined
    const lease = this.#lease
    const run = new OpeningRun(this, scope, lease, { opening, isAll }, statement, options, resolve)
    lease.observe(run)
    lease.order.submit(run, run.startedAt)
  }

  /** Begins the transaction in front of a stream or a copy, which is queued behind. */
  protected openAhead(): void {
    const opening = this.#opening
    if (opening === undefined) return
    // It is told by what is queued.
    this.sendOpening(opening.slice(0, -1), opening.at(-1)!).catch(() => {})
  }

  /** Within the limits of the transaction. */
  protected limited(options: QueryOptions | undefined): QueryOptions | undefined {
    if (this.#limits === undefined) return options
    return { timeoutMs: this.timeoutMs(options), signal: this.signal(options) }
  }

  /** What ends a call with these options. */
  protected signal(options?: {
    readonly signal?: AbortSignal | undefined
  }): AbortSignal | undefined {
    return this.#limits === undefined ? options?.signal : this.#limits.with(options?.signal)
  }

  /** The time that a call with these options has, in milliseconds. */
  protected timeoutMs(options?: { readonly timeoutMs?: number | undefined }): number | undefined {
    const own = options?.timeoutMs
    return this.#limits === undefined ? own : this.#limits.timeoutMs(own)
  }

  /** Sends a statement of ours in this scope. */
  async sendIn(scope: TransactionScope, text: string): Promise<void> {
    await this.run({ text }, undefined, scope)
  }

  /** What is still open when the transaction ends comes to its end first. */
  closeOpen(): Promise<void> {
    return this.#lease.closeOpen(overError())
  }

  /** Whether its session is over, so that it can only have been undone. */
  get lost(): boolean {
    return this.#lease.slot.over
  }

  /** Whether a statement has failed, so that the server refuses all but ROLLBACK. */
  get hasFailed(): boolean {
    const { connection, state } = this.#lease.slot
    return state !== 'gone' && connection!.transactionStatus() === 'failed'
  }

  /** Whether the server has it open, and every statement of it has succeeded. */
  protected get isActive(): boolean {
    const { connection, state } = this.#lease.slot
    return state !== 'gone' && connection!.transactionStatus() === 'active'
  }
}
