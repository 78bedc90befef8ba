import type { QueryOptions, QueryResult, Statement } from '../api/statement.js'
import { realTimers } from '../base/real-timers.js'
import { unwatchSignal, watchSignal } from '../base/watch-signal.js'
import type { PoolEngine } from '../engine/pool-engine.js'
import { Waiter } from '../engine/wait-queue.js'
import { afterCancel } from '../outcome/cancelled-call.js'
import { setNode } from '../outcome/database-error.js'
import { AbortError } from '../outcome/errors.js'
import { failCall, type SettleCall } from '../outcome/fail-call.js'
import type { Durability, Executed } from '../outcome/outcome.js'
import { PoolhouseError } from '../outcome/poolhouse-error.js'
import { isResetFailure } from '../outcome/reset-failure.js'
import type { Slot } from '../slot/slot.js'
import { COPIES, READ_IN_TWO_WAYS } from '../sql/trait-flags.js'
import type { CallObserver, ObservedResult } from '../watch/call-watcher.js'
import { copyMisfit } from './copy-text.js'
import { refuseWhenSent } from './lone-statement.js'
import {
  aboutStatement,
  beginOn,
  cancelWork,
  givenUpError,
  noteError,
  setDeadline,
  type WorkHost,
} from './session-work.js'
import { cutShortError, settleOutcome } from './statement-outcome.js'
import { throughPooler } from './through-pooler.js'

/** What a running statement needs of its pool's engine. */
export type RunHost = WorkHost & Pick<PoolEngine, 'watchSilence' | 'leaveQueue' | 'acquireTimeout'>

/** The owner of the connection while the statement runs: the pool itself, a lease or a session. */
export interface RunOwner {
  /**
   * The statement is over for its caller: answered, failed or given up. The connection may still be
   * busy if it was given up.
   */
  finished(run: StatementRun, slot: Slot, error: Error | null): void
  /**
   * In the place of `finished`: the statement was not begun, because its session could not be
   * reset, and waits for another one. An owner who has none leaves this out, and its caller gets
   * the error.
   */
  again?(run: StatementRun, slot: Slot): void
}

/** What a driver answers to a statement. */
export type AnswerTo = (error: Error | null, result?: QueryResult<unknown>) => void

/**
 * One statement from the call to its answer. It is at once the waiter in the pool's queue, the
 * entry among its deadlines and the receiver of the answer, so a call costs one object and one
 * promise.
 *
 * `waiting` (in the pool's queue) or `queued` (behind another statement of its lease) → `running` →
 * `cancelling` (past its deadline) or `aborting` (by its signal), with a cancel sent → `settled`.
 */
export class StatementRun extends Waiter {
  /** What is run. */
  readonly statement: Statement
  /** Whether it is a question of ours, such as that of a monitor, which is not counted. */
  isOurs = false
  readonly #host: RunHost
  readonly #owner: RunOwner
  readonly #resolve: ((result: QueryResult<never>) => void) & SettleCall
  readonly #signal: AbortSignal | undefined
  readonly #timeoutMs: number | undefined
  readonly #startedAt: number
  #state: 'waiting' | 'queued' | 'running' | 'cancelling' | 'aborting' | 'settled' = 'waiting'
  #slot: Slot | undefined
  #limitMs = 0
  #onAbort: (() => void) | undefined
  #observer: CallObserver | undefined
  // What the observer has returned.
  #begun: unknown

  /** `resolve` settles the caller's promise, once; by `failCall` where it fails. */
  constructor(
    host: RunHost,
    owner: RunOwner,
    statement: Statement,
    options: QueryOptions | undefined,
    startedAt: number,
    resolve: ((result: QueryResult<never>) => void) & SettleCall,
  ) {
    super(0)
    this.statement = statement
    this.#host = host
    this.#owner = owner
    this.#startedAt = startedAt
    this.#resolve = resolve
    this.#timeoutMs = options?.timeoutMs
    this.#signal = options?.signal
    if (this.#signal !== undefined) this.#watch(this.#signal)
  }

  /** Tells an observer of it from now on. */
  observe(observer: CallObserver): void {
    this.#observer = observer
    this.#begun = observer.began(this.statement.text)
  }

  #commented(statement: Statement): Statement {
    const observer = this.#observer
    const isPlain = observer?.comments !== true || statement.name !== undefined
    if (isPlain) return statement
    return { ...statement, text: observer.commented(this.#begun, statement.text) }
  }

  /** When the call was made, on the pool's clock. */
  get startedAt(): number {
    return this.#startedAt
  }

  /** Whether the caller has its answer. */
  get settled(): boolean {
    return this.#state === 'settled'
  }

  /** What is left of the explicit limit of the call, in milliseconds; undefined if it has none. */
  leftMs(now: number): number | undefined {
    return this.#timeoutMs && Math.max(1, this.#startedAt + this.#timeoutMs - now)
  }

  /** The explicit limit of the call, if it has one. */
  get timeoutMs(): number | undefined {
    return this.#timeoutMs
  }

  /** Stands behind another statement of the same lease; only an explicit limit runs meanwhile. */
  queue(now: number): void {
    this.#state = 'queued'
    if (this.#timeoutMs !== undefined) this.#limit(now, this.#timeoutMs)
  }

  /** Sends the statement. */
  override receive(slot: Slot, now: number): void {
    if (!this.begin(slot, now)) {
      // Not in this call: of thousands that missed theirs, each would hand the connection to the
      // next one further down the stack.
      realTimers.queueMicrotask(() => this.#owner.finished(this, slot, null))
      return
    }
    const { statement } = this
    const traits = beginOn(slot, this.#host, statement.text, now, statement)
    const { name, pooler } = this.#host
    try {
      if ((traits & COPIES) !== 0) throw copyMisfit('query', statement.text)
      // Which of the two its own session reads was not known when the call was made.
      if ((traits & READ_IN_TWO_WAYS) !== 0 && this.#owner.again !== undefined) {
        refuseWhenSent(traits)
      }
      const sent = this.#commented(throughPooler(name, pooler, statement, slot.escapes))
      slot.resetAhead()
      this.send(slot, sent, (error, result) => this.answered(slot, error, result))
    } catch (error) {
      // What we or the driver refuse before anything is sent.
      this.withhold(slot, (other) => this.answered(slot, other ?? (error as Error), undefined))
    }
  }

  /**
   * Its time on this connection begins. Returns false, and has told the caller, if that is over
   * already: sending the statement only to cancel it would leave its outcome open.
   */
  protected begin(slot: Slot, now: number): boolean {
    const host = this.#host
    host.deadlines.remove(this)
    if (this.#timeoutMs !== undefined) {
      const left = this.#startedAt + this.#timeoutMs - now
      if (left <= 0) {
        this.#limitMs = this.#timeoutMs
        host.countTimeout()
        this.refuse(this.#givenUp('no'))
        return false
      }
      this.#limit(now, left)
      this.#limitMs = this.#timeoutMs
    } else {
      const limit = host.statementTimeoutMs()
      if (limit > 0) this.#limit(now, limit)
    }
    this.#state = 'running'
    this.#slot = slot
    if (this.#observer !== undefined && this.enqueuedAt > 0) {
      this.#observer.waited(this.#begun, now - this.enqueuedAt)
      // It may have to wait again.
      this.enqueuedAt = 0
    }
    return true
  }

  /** Hands the statement to the driver. What this throws fails the call, with nothing sent. */
  protected send(slot: Slot, statement: Statement, done: AnswerTo): void {
    slot.connection!.run(statement, done)
  }

  /**
   * The statement was refused before it was sent. Calls `fail` later, with another reason if there
   * is one.
   */
  protected withhold(_slot: Slot, fail: (other?: Error) => void): void {
    realTimers.queueMicrotask(() => fail())
  }

  /** Has it cancelled. Its caller waits at most `CONFIRM_MS` more for the server's answer. */
  protected cancel(slot: Slot, now: number): void {
    cancelWork(this.#host, this, slot, now)
  }

  /** Whether nothing of what it did can be undone any more when it is answered. */
  protected isCommitted(slot: Slot): boolean {
    return slot.connection!.transactionStatus() === 'idle'
  }

  /** Why the caller gets an error although the server's answer is none; null if there is none. */
  protected objection(_slot: Slot): Error | null {
    return null
  }

  /**
   * What the caller is told in the place of an error. Called before the session goes on to what is
   * queued.
   */
  protected told(error: Error): Error {
    return error
  }

  /** Whether its turn has come, and it has been neither answered nor cancelled. */
  protected get running(): boolean {
    return this.#state === 'running'
  }

  /** It was cancelled in its turn, before its own statement was sent. */
  protected unsent(slot: Slot): void {
    slot.answered()
    this.takenBack()
    slot.recheckQuiet()
  }

  /** It was given up before it was sent, and will not be. */
  protected takenBack(): void {
    if (this.#state !== 'settled') this.#giveUp(this.#givenUp('no'))
  }

  override refuse(error: Error, isHere?: boolean): void {
    this.#settle(this.#host.now())
    const told = this.told(this.#about(error))
    if (this.#observer !== undefined) this.#tell(this.#observer, told)
    failCall(this.#resolve, told, isHere)
  }

  override expire(now: number): void {
    const slot = this.#slot
    switch (this.#state) {
      case 'waiting':
        this.#host.leaveQueue(this)
        this.#host.countTimeout()
        this.refuse(this.#host.acquireTimeout(now - this.#startedAt))
        return
      case 'queued':
        this.#host.countTimeout()
        this.refuse(this.#givenUp('no'))
        return
      case 'running':
        this.#state = 'cancelling'
        this.#host.countTimeout()
        this.cancel(slot!, now)
        return
      case 'cancelling':
      case 'aborting':
        this.#giveUp(this.#givenUp('unknown'))
        return
      case 'settled':
        return
    }
  }

  /** Fails with nothing sent, wherever it waits. */
  drop(error: Error): void {
    if (this.#state === 'waiting' || this.#state === 'queued') this.refuse(error)
  }

  #watch(signal: AbortSignal): void {
    this.#onAbort = () => this.#aborted(signal)
    watchSignal(signal, this.#onAbort)
  }

  #aborted(signal: AbortSignal): void {
    switch (this.#state) {
      case 'waiting':
        this.#host.leaveQueue(this)
        this.refuse(new AbortError(signal.reason, 'no'))
        return
      case 'queued':
        this.refuse(new AbortError(signal.reason, 'no'))
        return
      case 'running':
        this.#state = 'aborting'
        this.cancel(this.#slot!, this.#host.now())
        return
      case 'cancelling':
      case 'aborting':
      case 'settled':
        return
    }
  }

  /** Takes the answer, and tells it to the caller. */
  protected answered(
    slot: Slot,
    error: Error | null,
    result: QueryResult<unknown> | undefined,
  ): void {
    slot.answered()
    if (this.#state === 'settled') {
      // Given up earlier; the pool may be waiting for this connection to fall quiet.
      slot.recheckQuiet()
      return
    }
    if (this.#state === 'running' && this.#owner.again !== undefined && isResetFailure(error)) {
      slot.markLost(error)
      this.startOver(slot)
      return
    }
    const failure = this.#failureOf(slot, error, result) ?? this.objection(slot)
    const told = failure === null ? null : this.told(this.#about(failure as Error))
    if (failure === null) {
      result!.node = this.#host.name
      // Inside a transaction nothing is committed yet.
      if (slot.committedLocally) result!.durability = 'local'
      else if (this.isCommitted(slot)) result!.durability = 'configured'
    }
    if (error !== null) noteError(this.#host, slot, error)
    // The time of the answer is known already; looking at the clock costs more than counting.
    this.#settle(failure === null ? slot.connection!.lastByteAt : this.#host.now())
    if (this.#observer !== undefined) this.#tell(this.#observer, told, result)
    this.#owner.finished(this, slot, error)
    slot.recheckQuiet()
    if (told === null) this.#resolve(result as QueryResult<never>)
    else this.#fail(told)
  }

  /** Nothing of it was done on this connection: it waits for another one. */
  protected startOver(slot: Slot): void {
    this.#host.deadlines.remove(this)
    this.#state = 'waiting'
    this.#owner.again!(this, slot)
  }

  /** What the caller is told, if it is not success. */
  #failureOf(slot: Slot, error: Error | null, result: QueryResult<unknown> | undefined): unknown {
    const { committedLocally } = slot
    settleOutcome(this.statement.text, error, committedLocally)
    if (this.#state === 'cancelling' || this.#state === 'aborting') {
      const reason = this.#state === 'aborting' ? 'abort' : 'timeout'
      return afterCancel(reason, error, result?.command, committedLocally, (...known) =>
        this.#givenUp(...known),
      )
    }
    const cutShort = error === null && committedLocally && slot.cancelSent
    return cutShort ? cutShortError(this.#host.name, slot) : error
  }

  #giveUp(error: Error): void {
    const slot = this.#slot!
    const told = this.told(this.#about(error))
    this.#settle(this.#host.now())
    if (this.#observer !== undefined) this.#tell(this.#observer, told)
    this.#owner.finished(this, slot, error)
    this.#fail(told)
  }

  #fail(error: Error): void {
    if (error instanceof PoolhouseError) setNode(error, this.#host.name)
    failCall(this.#resolve, error)
  }

  #about(error: Error): Error {
    return aboutStatement(this.#host, error, this.statement.text)
  }

  #settle(at: number): void {
    this.#state = 'settled'
    if (!this.isOurs) this.#host.recorder.ran(this.statement.text, this.#startedAt, at)
    this.#host.deadlines.remove(this)
    if (this.#onAbort !== undefined) {
      unwatchSignal(this.#signal, this.#onAbort)
      this.#onAbort = undefined
    }
  }

  #tell(observer: CallObserver, told: Error | null, result?: ObservedResult): void {
    const tookMs = this.#host.now() - this.#startedAt
    const { text } = this.statement
    if (told === null) observer.ended(this.#begun, text, tookMs, undefined, result)
    else observer.ended(this.#begun, text, tookMs, told, undefined)
  }

  #limit(now: number, ms: number): void {
    this.#limitMs = ms
    setDeadline(this.#host, this, now, ms)
  }

  #givenUp(executed: Executed, cause?: unknown, durability?: Durability): Error {
    const signal = this.#state === 'aborting' ? this.#signal : undefined
    return givenUpError(this.#host.name, signal, this.#limitMs, executed, cause, durability)
  }
}
