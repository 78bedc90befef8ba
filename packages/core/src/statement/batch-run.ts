import type { SentStatement } from '../api/driver.js'
import type { BatchOptions, QueryResult, Statement } from '../api/statement.js'
import { Timed } from '../base/deadline-queue.js'
import { realTimers } from '../base/real-timers.js'
import { unwatchSignal, watchSignal } from '../base/watch-signal.js'
import { afterCancel } from '../outcome/cancelled-call.js'
import { setNode } from '../outcome/database-error.js'
import { AbortError } from '../outcome/errors.js'
import { failCall, tellCall } from '../outcome/fail-call.js'
import type { Durability, Executed } from '../outcome/outcome.js'
import { passedOverError } from '../outcome/passed-over.js'
import { PoolhouseError } from '../outcome/poolhouse-error.js'
import { sizeOf } from '../slot/silence.js'
import type { Slot } from '../slot/slot.js'
import { CONTROLS_TRANSACTION } from '../sql/trait-flags.js'
import { checkBatch } from './batch-check.js'
import {
  aboutStatement,
  cancelWork,
  givenUpError,
  noteError,
  type OrderedWork,
  setDeadline,
  type WorkHost,
} from './session-work.js'
import { cutShortError, settleOutcome } from './statement-outcome.js'

/** What became of one statement of a batch. */
export type Outcome = PromiseSettledResult<QueryResult>

/** The owner of the session while the batch runs. */
export interface BatchOwner {
  /** The batch is over for its caller. The session may still be busy with it. */
  finished(batch: OrderedWork, slot: Slot): void
}

/** How a batch is sent. */
export type BatchKind = 'each' | 'joined'

/** Who is told of the batch. */
export interface BatchListener {
  /** Settles the promise of the caller: one outcome for each statement, or why nothing was sent. */
  readonly resolve: (outcomes: Outcome[] | PromiseLike<Outcome[]>) => void
  /** Told why nothing was sent. */
  rejected?(error: Error): void
  /** Nothing was sent, because the driver cannot join these statements. Only for `joined`. */
  refused?(): void
  /** Told of each outcome as soon as it is known. */
  observe?: ((index: number, outcome: Outcome) => void) | undefined
}

// What one piece holds at most: the bytes that are buffered for the socket, and the statements that
// go on for a moment after the batch was given up.
const MOST_STATEMENTS = 1_000
const MOST_BYTES = 1_048_576

/**
 * Several statements on one session, each with an outcome of its own, sent in pieces that are each
 * one round trip. Those of an `each` batch stand for themselves. Those of a piece of a `joined`
 * batch are one step for the server, which passes over what follows the first that fails; no later
 * piece is sent then.
 *
 * `new` or `queued` (behind other work of its lease) → `running` → `cancelling` (past its deadline)
 * or `aborting` (by its signal), with a cancel sent → `settled`. The engine goes on cancelling as
 * long as statements are in flight, because one request ends only one.
 */
export class BatchRun extends Timed implements OrderedWork {
  readonly #host: WorkHost
  readonly #owner: BatchOwner
  readonly #kind: BatchKind
  readonly #listener: BatchListener
  readonly #signal: AbortSignal | undefined
  readonly #timeoutMs: number | undefined
  readonly #startedAt: number
  #statements: readonly Statement[]
  #traits: readonly number[] = []
  readonly #outcomes: Outcome[] = []
  // Those of the outcomes.
  readonly #errors: unknown[] = []
  #state: 'new' | 'queued' | 'running' | 'cancelling' | 'aborting' | 'settled' = 'new'
  #slot: Slot | undefined
  #onAbort: (() => void) | undefined
  #limitMs = 0
  // The statements before `#answered` are answered, those from `#sent` on are not sent.
  #answered = 0
  #sent = 0
  // How many bytes of what was sent belong to statements that are not answered.
  #bytes = 0
  #together = true
  // The first error of a joined batch: nothing more is sent.
  #failure: Error | undefined
  // Why nothing more is sent, if its lease was ended.
  #cutBy: ((executed: Executed) => Error) | undefined
  // Whether what was sent runs outside a transaction, as far as is known.
  #isAlone = true

  /** Takes statements that were taken and checked options. */
  constructor(
    host: WorkHost,
    owner: BatchOwner,
    statements: readonly Statement[],
    kind: BatchKind,
    options: BatchOptions | undefined,
    startedAt: number,
    listener: BatchListener,
  ) {
    super()
    this.#host = host
    this.#owner = owner
    this.#kind = kind
    this.#listener = listener
    this.#signal = options?.signal
    this.#timeoutMs = options?.timeoutMs
    this.#startedAt = startedAt
    this.#statements = statements
    if (this.#signal !== undefined) {
      this.#onAbort = () => this.#aborted()
      watchSignal(this.#signal, this.#onAbort)
    }
  }

  /** Whether the caller has its answer. */
  get settled(): boolean {
    return this.#state === 'settled'
  }

  /** Stands behind other work of the same lease; only an explicit limit runs meanwhile. */
  queue(now: number): void {
    this.#state = 'queued'
    if (this.#timeoutMs !== undefined) this.#limit(now, this.#timeoutMs)
  }

  /** Sends the first piece. */
  receive(slot: Slot, now: number): void {
    const { name, pooler } = this.#host
    this.#host.deadlines.remove(this)
    this.#slot = slot
    try {
      if (this.#timeoutMs !== undefined) {
        const left = this.#startedAt + this.#timeoutMs - now
        this.#limitMs = this.#timeoutMs
        if (left <= 0) {
          this.#host.countTimeout()
          throw this.#givenUp('no')
        }
        setDeadline(this.#host, this, now, left)
      }
      const checked = checkBatch(name, pooler, this.#statements)
      this.#statements = checked.statements
      this.#traits = checked.traits
      slot.resetAhead()
    } catch (error) {
      this.#refuse(error as Error)
      // Not in this call, which may come from the end of other work.
      realTimers.queueMicrotask(() => this.#owner.finished(this, slot))
      return
    }
    this.#state = 'running'
    this.#send(slot, now)
  }

  // ── sending ──

  /** Sends the next piece. */
  #send(slot: Slot, now: number): void {
    const from = this.#sent
    const connection = slot.connection!
    this.#together &&= connection.runTogether !== undefined
    if (!this.#together && this.#kind === 'joined' && from === 0) {
      this.#withdraw(slot)
      return
    }
    const to = this.#together ? this.#pieceEnd(from) : from + 1
    this.#isAlone = connection.transactionStatus() === 'idle'
    this.#begin(slot, from, to, now)
    try {
      if (this.#together) {
        const piece: SentStatement[] = []
        for (let index = from; index < to; index++) {
          piece.push({
            statement: this.#statements[index]!,
            joined: this.#kind === 'joined' && index + 1 < to,
            done: (error, result) => this.#done(slot, index, error, result),
          })
        }
        if (connection.runTogether!(piece)) return
        this.#together = false
        this.#sent = from
        this.#bytes = 0
        this.#answeredAll(slot)
        this.#send(slot, now)
      } else {
        connection.run(this.#statements[from]!, (error, result) =>
          this.#done(slot, from, error, result),
        )
      }
    } catch (error) {
      // What the driver refuses before anything is sent.
      realTimers.queueMicrotask(() => {
        for (let index = from; index < to; index++) this.#done(slot, index, error as Error)
      })
    }
  }

  #pieceEnd(from: number): number {
    let bytes = 0
    let to = from
    while (to < this.#statements.length && to - from < MOST_STATEMENTS) {
      bytes += sizeOf(this.#statements[to]!)
      if (bytes > MOST_BYTES && to > from) break
      to++
    }
    return to
  }

  /** Notes in the slot that these statements begin. */
  #begin(slot: Slot, from: number, to: number, now: number): void {
    this.#sent = to
    for (let index = from; index < to; index++) {
      this.#bytes += sizeOf(this.#statements[index]!)
      if (this.#host.pooler === undefined) slot.marks.note(this.#traits[index]!)
    }
    slot.begin(this.#statements[from]!.text, now, this.#bytes)
    slot.holdBatch(this)
    this.#limitNext(now)
  }

  /** Gives the statement that begins now the pool's limit, if the batch has none of its own. */
  #limitNext(now: number): void {
    if (this.#timeoutMs !== undefined) return
    const limit = this.#host.statementTimeoutMs()
    if (limit > 0) this.#limit(now, limit)
  }

  /** The driver cannot join the statements, and nothing was sent. */
  #withdraw(slot: Slot): void {
    this.#settle()
    realTimers.queueMicrotask(() => {
      this.#owner.finished(this, slot)
      this.#listener.refused!()
    })
  }

  // ── answers ──

  #done(slot: Slot, index: number, error: Error | null, result?: QueryResult<unknown>): void {
    this.#answered++
    this.#bytes -= sizeOf(this.#statements[index]!)
    const isLast = this.#answered === this.#sent
    if (this.#state === 'settled') {
      // Given up earlier; the pool may be waiting for this connection to fall quiet.
      if (isLast) this.#answeredAll(slot)
      slot.recheckQuiet()
      return
    }
    if (error !== null) noteError(this.#host, slot, error)
    this.#tell(index, this.#outcomeOf(slot, index, error, result))
    if (isLast) {
      this.#answeredAll(slot)
      this.#pieceOver(slot)
    } else if (this.#kind === 'each') {
      const now = this.#host.now()
      slot.beginNext(this.#statements[index + 1]!.text, now, this.#bytes)
      if (this.#state === 'running') this.#limitNext(now)
    }
    slot.recheckQuiet()
  }

  #answeredAll(slot: Slot): void {
    slot.answered()
    slot.holdBatch(undefined)
  }

  #outcomeOf(
    slot: Slot,
    index: number,
    error: Error | null,
    result: QueryResult<unknown> | undefined,
  ): Outcome {
    // In one step it is COMMIT, the last, that waits for the standbys.
    const isLocal =
      slot.committedLocally && (this.#kind === 'each' || index + 1 === this.#statements.length)
    settleOutcome(this.#statements[index]!.text, error, isLocal)
    const failure = this.#failureOf(slot, error, result, isLocal)
    if (failure === null) {
      const value = result as QueryResult
      value.node = this.#host.name
      if (isLocal) value.durability = 'local'
      else if (this.#committedBy(slot, index)) value.durability = 'configured'
      return { status: 'fulfilled', value }
    }
    if (this.#kind === 'joined') this.#failure ??= failure as Error
    return this.#failed(index, failure)
  }

  /**
   * Whether what a statement did is committed by its answer. While others are in flight the session
   * does not tell; it is known of statements that were sent outside a transaction and that do not
   * begin one.
   */
  #committedBy(slot: Slot, index: number): boolean {
    if (this.#kind === 'joined') return false
    if ((this.#traits[index]! & CONTROLS_TRANSACTION) !== 0) this.#isAlone = false
    if (this.#answered === this.#sent) {
      return slot.connection!.transactionStatus() === 'idle'
    }
    return this.#isAlone
  }

  /** What the caller is told of an answer, if it is not success. */
  #failureOf(
    slot: Slot,
    error: Error | null,
    result: QueryResult<unknown> | undefined,
    committedLocally: boolean,
  ): unknown {
    if (this.#state === 'running') {
      const isCut = error === null && committedLocally && slot.cancelSent
      return isCut ? cutShortError(this.#host.name, slot) : error
    }
    // Each has its own outcome, so one that was faster than the cancel is a success.
    if (error === null && !committedLocally) return null
    const reason = this.#state === 'aborting' ? 'abort' : 'timeout'
    return afterCancel(reason, error, result?.command, committedLocally, (...known) =>
      this.#givenUp(...known),
    )
  }

  /** Everything that was sent is answered. */
  #pieceOver(slot: Slot): void {
    if (!this.#goesOn(slot)) this.#finish(slot)
    else if (slot.quiet) this.#send(slot, this.#host.now())
    else void slot.whenQuiet().then(() => this.#resume(slot))
  }

  #resume(slot: Slot): void {
    if (this.#state === 'settled') return
    if (this.#goesOn(slot)) this.#send(slot, this.#host.now())
    else this.#finish(slot)
  }

  #goesOn(slot: Slot): boolean {
    return (
      this.#sent < this.#statements.length &&
      this.#state === 'running' &&
      this.#cutBy === undefined &&
      this.#failure === undefined &&
      !slot.over
    )
  }

  // ── its end ──

  #finish(slot: Slot): void {
    for (let index = this.#answered; index < this.#statements.length; index++) {
      this.#tell(index, this.#failed(index, this.#unsentError(slot)))
    }
    this.#over(slot)
  }

  /** Why a statement was not sent. */
  #unsentError(slot: Slot): Error {
    if (this.#cutBy !== undefined) return this.#cutBy('no')
    if (this.#state !== 'running') return this.#givenUp('no')
    return this.#failure === undefined ? slot.lostError() : passedOverError(this.#failure)
  }

  #failed(index: number, reason: unknown): Outcome {
    const { name } = this.#host
    if (reason instanceof PoolhouseError) setNode(reason, name)
    this.#errors.push(reason)
    return {
      status: 'rejected',
      reason: aboutStatement(this.#host, reason, this.#statements[index]!.text),
    }
  }

  #over(slot: Slot): void {
    this.#settle()
    this.#owner.finished(this, slot)
    tellCall(this.#listener.resolve, this.#outcomes, this.#errors)
  }

  #tell(index: number, outcome: Outcome): void {
    this.#outcomes[index] = outcome
    const { recorder } = this.#host
    const isAnswer = outcome.status === 'fulfilled'
    const at = isAnswer ? this.#slot!.connection!.lastByteAt : this.#host.now()
    recorder.ran(this.#statements[index]!.text, this.#startedAt, at)
    this.#listener.observe?.(index, outcome)
  }

  override expire(now: number): void {
    switch (this.#state) {
      case 'queued':
        this.#host.countTimeout()
        this.#refuse(this.#givenUp('no'))
        return
      case 'running':
        this.#state = 'cancelling'
        this.#host.countTimeout()
        this.#cancel(now)
        return
      case 'cancelling':
      case 'aborting':
        this.#giveUp()
        return
      case 'new':
      case 'settled':
        return
    }
  }

  #aborted(): void {
    switch (this.#state) {
      case 'new':
      case 'queued':
        this.#refuse(new AbortError(this.#signal!.reason, 'no'))
        return
      case 'running':
        this.#state = 'aborting'
        this.#cancel(this.#host.now())
        return
      case 'cancelling':
      case 'aborting':
      case 'settled':
        return
    }
  }

  #cancel(now: number): void {
    const slot = this.#slot!
    // Between two pieces nothing is in flight, and the next one is not sent.
    if (this.#answered === this.#sent) this.#finish(slot)
    else cancelWork(this.#host, this, slot, now)
  }

  /** No answer has come in time: what is in flight may have been done. */
  #giveUp(): void {
    const slot = this.#slot!
    for (let index = this.#answered; index < this.#statements.length; index++) {
      const executed = index < this.#sent ? 'unknown' : 'no'
      this.#tell(index, this.#failed(index, this.#givenUp(executed)))
    }
    this.#over(slot)
  }

  /** Fails with nothing sent, if it still waits for its turn. */
  drop(error: Error): void {
    if (this.#state === 'new' || this.#state === 'queued') this.#refuse(error)
  }

  /** Its lease is over: no further piece is sent. */
  cut(errorOf: (executed: Executed) => Error): void {
    this.#cutBy ??= errorOf
  }

  #refuse(error: Error): void {
    this.#settle()
    this.#listener.rejected?.(error)
    failCall(this.#listener.resolve, error)
  }

  #settle(): void {
    this.#state = 'settled'
    this.#host.deadlines.remove(this)
    if (this.#onAbort !== undefined) {
      unwatchSignal(this.#signal, this.#onAbort)
      this.#onAbort = undefined
    }
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
