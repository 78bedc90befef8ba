import type { SentStatement } from '../api/driver.js'
import type { QueryOptions, QueryResult, Statement } from '../api/statement.js'
import { traceQuery, tracing } from '../api/tracing.js'
import { realTimers } from '../base/real-timers.js'
import type { SettleCall } from '../outcome/fail-call.js'
import type { Executed } from '../outcome/outcome.js'
import type { Slot } from '../slot/slot.js'
import { traitsOf } from '../sql/statement-traits.js'
import { aboutStatement } from '../statement/session-work.js'
import type { StatementOrder } from '../statement/statement-order.js'
import { type AnswerTo, type RunHost, StatementRun } from '../statement/statement-run.js'
import { throughPooler } from '../statement/through-pooler.js'
import type { TransactionScope } from './transaction-scope.js'

/** Where the statements of a transaction run. */
export interface RunPlace {
  /** Their pool. */
  readonly host: RunHost
  /** Whose turn it is on their session. */
  readonly order: StatementOrder
}

/** What a statement asks of its transaction. */
export interface RunKeeper {
  /** Why an answer that is no error is one all the same: it has ended the transaction. */
  objectionTo(slot: Slot): Error | null
  /** What the caller of a statement in this scope is told of its error. */
  toldOf(error: Error, scope: TransactionScope | undefined): Error
  /**
   * The transaction could not be begun, so nothing may be sent any more. `rode` says whether a
   * statement of the work was on its way already. Returns what the callers are told.
   */
  notBegun(error: Error, rode: boolean): Error
}

/** One statement of a transaction, as the caller in its scope sees it. */
export class TransactionRun extends StatementRun {
  readonly #keeper: RunKeeper
  readonly #scope: TransactionScope | undefined

  /** Begins nothing yet; see `StatementRun`. */
  constructor(
    keeper: RunKeeper,
    scope: TransactionScope | undefined,
    { host, order }: RunPlace,
    statement: Statement,
    options: QueryOptions | undefined,
    resolve: ((result: QueryResult<never>) => void) & SettleCall,
  ) {
    super(host, order, statement, options, host.now(), resolve)
    this.#keeper = keeper
    this.#scope = scope
  }

  protected override objection(slot: Slot): Error | null {
    return this.#keeper.objectionTo(slot)
  }

  protected override told(error: Error): Error {
    return this.#keeper.toldOf(error, this.#scope)
  }
}

/** What an opening run sends in front of its statement. */
export interface Opening {
  /** The statements, in order; none if the statement of the run begins the transaction itself. */
  readonly opening: readonly Statement[]
  /** Whether the statement is none of the work, so that any failure is one of the beginning. */
  readonly isAll: boolean
}

/**
 * What begins a transaction, with the first statement behind it: in one piece where the session can
 * do that, and otherwise one after the other. Whatever becomes of the first statement, the
 * transaction has been begun when this run is over, or nothing is sent any more: what is queued
 * behind it would run outside of any transaction.
 */
export class OpeningRun extends StatementRun {
  readonly #keeper: RunKeeper
  readonly #scope: TransactionScope | undefined
  readonly #host: RunHost
  readonly #opening: readonly Statement[]
  readonly #isAll: boolean
  // What begins the transaction, each with who is told of its end.
  #group: SentStatement[] | undefined
  // One of the statements that begin the transaction has failed.
  #failure: Error | undefined
  // Why nothing more is sent, if its lease was ended meanwhile.
  #cutBy: ((executed: Executed) => Error) | undefined

  /** Begins nothing yet; see `StatementRun`. */
  constructor(
    keeper: RunKeeper,
    scope: TransactionScope | undefined,
    { host, order }: RunPlace,
    { opening, isAll }: Opening,
    statement: Statement,
    options: QueryOptions | undefined,
    resolve: ((result: QueryResult<never>) => void) & SettleCall,
  ) {
    super(host, order, statement, options, host.now(), resolve)
    this.#keeper = keeper
    this.#scope = scope
    this.#host = host
    this.#opening = opening
    this.#isAll = isAll
  }

  protected override send(slot: Slot, statement: Statement, done: AnswerTo): void {
    const group = this.#openers(slot)
    const { length } = group
    group.push({ statement, done: (error, result) => done(this.#failure ?? error, result) })
    if (length > 0 && slot.connection!.runTogether?.(group) === true) return
    this.#oneByOne(slot, 0, (failure) => {
      if (failure !== undefined) done(failure)
      else this.#sendFirst(slot, statement, done)
    })
  }

  /** What begins the transaction was answered by itself. */
  #sendFirst(slot: Slot, statement: Statement, done: AnswerTo): void {
    const again = (): void => {
      if (!this.settled) this.#sendFirst(slot, statement, done)
    }
    // The cancel request of what was given up meanwhile must not reach it.
    if (!this.running) this.unsent(slot)
    else if (this.#cutBy !== undefined) done(this.#cutBy('no'))
    // Nor one of the pool itself, which is closing.
    else if (slot.cancelling) void slot.whenQuiet().then(again)
    else attempt(slot, statement, done)
  }

  /** Its lease is over: what is not sent yet would run when the transaction is over, too. */
  cut(errorOf: (executed: Executed) => Error): void {
    this.#cutBy ??= errorOf
  }

  /** The first statement was refused before it was sent; the transaction is begun all the same. */
  protected override withhold(slot: Slot, fail: (other?: Error) => void): void {
    try {
      this.#openers(slot)
    } catch {
      // Told below.
    }
    if (this.#failure !== undefined || this.#opening.length === 0) {
      realTimers.queueMicrotask(() => fail(this.#failure))
    } else this.#oneByOne(slot, 0, fail)
  }

  protected override objection(slot: Slot): Error | null {
    return this.#isAll ? null : this.#keeper.objectionTo(slot)
  }

  protected override told(error: Error): Error {
    if (this.#failure !== undefined || this.#isAll) {
      return this.#keeper.notBegun(error, !this.#isAll)
    }
    return this.#keeper.toldOf(error, this.#scope)
  }

  /** What begins the transaction, made once. Throws if it may not be sent at all. */
  #openers(slot: Slot): SentStatement[] {
    this.#group ??= this.#opening
      .map((each) => this.#checked(slot, each))
      .map((statement) => ({ statement, joined: true, done: this.#opener(statement) }))
    return this.#group
  }

  /** As it may be sent. Throws if it may not be sent at all. */
  #checked(slot: Slot, statement: Statement): Statement {
    const { name, pooler } = this.#host
    try {
      if (pooler === undefined) slot.marks.note(traitsOf(statement.text, slot.escapes))
      return throughPooler(name, pooler, statement, slot.escapes)
    } catch (error) {
      this.#failure = error as Error
      throw error
    }
  }

  #oneByOne(slot: Slot, at: number, then: (failure?: Error) => void): void {
    if (at === this.#opening.length || this.#cutBy !== undefined) {
      then()
      return
    }
    const { statement, done } = this.#group![at]!
    attempt(slot, statement, (error, result) => {
      done(error, result)
      if (error !== null) then(error)
      else this.#oneByOne(slot, at + 1, then)
    })
  }

  /** What is called with the end of a statement that begins the transaction. */
  #opener(statement: Statement): AnswerTo {
    const traced = tracing.query.hasSubscribers ? trace(this.#host.name, statement) : undefined
    return (error, result) => {
      traced?.(error, result)
      if (error !== null) this.#failed(aboutStatement(this.#host, error, statement.text))
    }
  }

  #failed(error: Error): void {
    this.#failure ??= error
    // The caller has been told something else, and what is queued is about to be sent.
    if (this.settled) this.#keeper.notBegun(error, !this.#isAll)
  }
}

/** Traces a statement that has no call of its own. */
function trace(pool: string, statement: Statement): AnswerTo {
  let settle: AnswerTo | undefined
  const answer = (): Promise<unknown> =>
    new Promise((resolve, reject) => {
      settle = (error, result) => (error === null ? resolve(result) : reject(error))
    })
  traceQuery(pool, statement, answer).catch(() => {})
  return (error, result) => settle?.(error, result)
}

/** Runs a statement outside of the turn in which a driver may throw. */
function attempt(slot: Slot, statement: Statement, done: AnswerTo): void {
  try {
    slot.connection!.run(statement, done)
  } catch (error) {
    realTimers.queueMicrotask(() => done(error as Error))
  }
}
