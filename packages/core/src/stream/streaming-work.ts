import type { CopyOptions } from '../api/streaming.js'
import { Timed } from '../base/deadline-queue.js'
import { realTimers } from '../base/real-timers.js'
import { unwatchSignal, watchSignal } from '../base/watch-signal.js'
import { CLEANING_MS } from '../engine/cleaning.js'
import { afterCancel, type CancelReason } from '../outcome/cancelled-call.js'
import { AbortError } from '../outcome/errors.js'
import { failCall, type SettleCall } from '../outcome/fail-call.js'
import type { Durability, Executed } from '../outcome/outcome.js'
import type { OccupantKind } from '../slot/occupant.js'
import type { Slot } from '../slot/slot.js'
import {
  aboutStatement,
  beginOn,
  cancelWork,
  type ExclusiveWork,
  givenUpError,
  noteError,
  setDeadline,
  type WorkHost,
  type WorkOwner,
} from '../statement/session-work.js'

/** The failure of a stream that its reader has closed. */
export const CLOSED_BY_READER: unique symbol = Symbol('closed by its reader')

/**
 * A stream or a copy: work that has its session to itself and asks the server many times.
 *
 * `new` → `queued` (behind another statement of its lease) → `paused` ⇄ `asking` → `cancelling`
 * (past its deadline) or `aborting` (by its signal), with a cancel sent → `over`. Over for its
 * caller is not yet free for the session: until the server has answered everything the work is its
 * slot's occupant, and unwinds in the background. It never holds its lease, so that a lease that
 * was dropped can be found by the garbage collector.
 */
export abstract class StreamingWork extends Timed implements ExclusiveWork {
  /** What it is. */
  readonly kind: OccupantKind
  /** SQL text. */
  readonly text: string
  /** See `Occupant`. The iterator that hands out a batch counts here. */
  taken = 0
  protected slot: Slot | undefined
  protected readonly host: WorkHost
  readonly #limits: CopyOptions
  #owner: WorkOwner | undefined
  #state: 'new' | 'queued' | 'paused' | 'asking' | 'cancelling' | 'aborting' | 'over' = 'new'
  #failure: unknown
  #stopped = false
  // Settles what the caller waits for: its turn, the server, or the source of its data.
  #settle: SettleCall | undefined
  #takeTurn: (() => void) | undefined
  #onAbort: (() => void) | undefined
  #wholeLimit: WholeLimit | undefined
  #limitMs = 0
  #whenOver: (() => void)[] | undefined
  #whenFree: (() => void)[] | undefined

  /** Does nothing before `begin`. */
  constructor(host: WorkHost, kind: OccupantKind, text: string, limits: CopyOptions) {
    super()
    this.host = host
    this.kind = kind
    this.text = text
    const { signal, timeoutMs } = limits
    this.#limits = { signal, timeoutMs }
  }

  /** Whether it is over for its caller. */
  get settled(): boolean {
    return this.#state === 'over'
  }

  /** Why it is over, if it did not come to its regular end. */
  get failure(): unknown {
    return this.#failure
  }

  /**
   * Whether the server owes an answer. Between two fetches it does not, and its silence says
   * nothing.
   */
  get asking(): boolean {
    return this.#state !== 'paused'
  }

  /**
   * Ends what the server does for this work, from a moment at which nothing is being asked.
   * Resolves at ReadyForQuery; never rejects.
   */
  protected abstract unwind(): Promise<void>

  /** Whether `unwind` takes a cancel request to come to an end soon. */
  protected get endsByCancel(): boolean {
    return false
  }

  /**
   * How long it may take to come to its end by itself once it was given up, before it is cancelled,
   * in milliseconds.
   */
  protected get politeMs(): number {
    return CLEANING_MS
  }

  /** What is known of the outcome when the work is given up now. */
  protected get outcome(): Executed {
    return 'unknown'
  }

  // ── its turn ──

  /**
   * Hands the work to the owner of a session; resolves when it has the session. `enter` throws if
   * the owner refuses it; `waitedMs` of its time have passed already.
   */
  begin(owner: WorkOwner, enter: () => void, waitedMs = 0): Promise<void> {
    return new Promise((resolve) => {
      if (this.#state === 'over') throw this.#failure
      const { signal, timeoutMs } = this.#limits
      this.#takeTurn = resolve
      this.#settle = resolve
      try {
        if (signal?.aborted) throw new AbortError(signal.reason, 'no')
        enter()
      } catch (error) {
        this.#end(this.#about(error), false)
        return
      }
      this.#owner = owner
      if (signal !== undefined) {
        this.#onAbort = () => this.#aborted(signal)
        watchSignal(signal, this.#onAbort)
      }
      if (timeoutMs !== undefined) {
        this.#wholeLimit = new WholeLimit((now) => this.#outOfTime(now))
        const leftMs = Math.max(1, timeoutMs - waitedMs)
        setDeadline(this.host, this.#wholeLimit, this.host.now(), leftMs)
      }
    })
  }

  /** Stands behind a statement of the same lease. */
  queue(): void {
    this.#state = 'queued'
  }

  /** The session is this work's alone from now on. */
  receive(slot: Slot, now: number): void {
    this.slot = slot
    slot.occupy(this)
    beginOn(slot, this.host, this.text, now)
    slot.resetAhead()
    this.#state = 'paused'
    this.#settle = undefined
    this.#takeTurn?.()
  }

  /** Fails with nothing sent, if it still waits for its turn. */
  drop(error: Error): void {
    if (this.#state === 'new' || this.#state === 'queued') this.stop(this.#about(error))
  }

  // ── asking the server ──

  /**
   * Asks the driver for one thing, within the pool's `statementTimeoutMs`. `ends` says whether the
   * answer leaves the session free; an error does unless `endsOnError` is false.
   */
  protected step<T>(
    ask: (slot: Slot) => Promise<T>,
    ends: (value: T) => boolean,
    endsOnError = true,
  ): Promise<T> {
    return new Promise<T>((resolve) => {
      if (this.#state === 'over') throw this.#failure
      const slot = this.slot!
      const now = this.host.now()
      this.#state = 'asking'
      this.#settle = resolve
      slot.ask(now)
      this.#limitMs = this.host.statementTimeoutMs()
      if (this.#limitMs > 0) setDeadline(this.host, this, now, this.#limitMs)
      attempt(() => ask(slot)).then(
        (value) => {
          const free = ends(value)
          if (this.#answered(free)) {
            if (free) this.#end(undefined, true)
            resolve(value)
          } else {
            // Only now can it be told from a fetch that was never asked for.
            failCall(resolve, this.#failure)
          }
        },
        (error: unknown) => this.#refused(error, endsOnError),
      )
    })
  }

  /** Waits for something that is not the server's, and no longer than the work goes on. */
  protected during<T>(other: PromiseLike<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (this.#state === 'over') throw this.#failure
      this.#settle = resolve
      other.then(resolve, reject)
    })
  }

  /** An answer has come. Returns whether the caller is given it. */
  #answered(free: boolean): boolean {
    if (this.#isLate(free)) return false
    const reason = this.#cancelReason
    // What is not over by its answer is given up with what is known.
    const failure =
      reason === undefined
        ? null
        : free
          ? this.#afterCancel(reason, null)
          : this.#givenUp(this.outcome)
    this.#state = 'paused'
    this.#settle = undefined
    if (failure === null) return true
    this.#end(failure, free)
    return false
  }

  #refused(error: unknown, free: boolean): void {
    noteError(this.host, this.slot!, error)
    if (this.#isLate(free)) return
    const reason = this.#cancelReason
    const told = this.#about(this.failed(error))
    this.#end(reason === undefined ? told : this.#afterCancel(reason, told), free)
  }

  /** Whether the caller was answered before; then this answer decides how the session goes on. */
  #isLate(free: boolean): boolean {
    this.host.deadlines.remove(this)
    if (this.#state !== 'over') return false
    if (free) this.#free()
    else this.#unwind()
    return true
  }

  get #cancelReason(): CancelReason | undefined {
    if (this.#state === 'cancelling') return 'timeout'
    return this.#state === 'aborting' ? 'abort' : undefined
  }

  #afterCancel(reason: CancelReason, error: unknown): unknown {
    const local = this.slot!.committedLocally
    return afterCancel(reason, error, undefined, local, (...known) => this.#givenUp(...known))
  }

  /** What the caller is told of an error of the driver. */
  protected failed(error: unknown): unknown {
    return error
  }

  // ── its end ──

  /** Gives up with an error that says what is known of the work at this moment. */
  interrupt(errorOf: (executed: Executed) => Error): void {
    const sent = this.#state !== 'new' && this.#state !== 'queued'
    this.stop(this.#about(errorOf(sent ? this.outcome : 'no')))
  }

  /**
   * Gives up: the waiting caller gets `error` at once, and the session is brought back in the
   * background. A second call does nothing.
   */
  stop(error: unknown): void {
    switch (this.#state) {
      case 'over':
        return
      case 'new':
        this.#state = 'over'
        this.#failure = error
        return
      case 'asking':
        this.host.cancel(this.slot!)
        break
      case 'queued':
      case 'paused':
      case 'cancelling':
      case 'aborting':
        break
    }
    this.#stopped = true
    this.#end(error, false)
  }

  /** Whether it was given up rather than answered. */
  get stopped(): boolean {
    return this.#stopped
  }

  /**
   * The session is gone. What the server was asked is answered by the driver; the rest is told
   * here.
   */
  lost(): void {
    if (this.#state !== 'paused') return
    // The statement has not come to its end, so the server cannot have committed it.
    this.#end(this.#about(this.slot!.lostError('rolled-back')), true)
  }

  /** Calls `listener` in a microtask once the work is over for its caller. */
  onOver(listener: () => void): void {
    if (this.#state === 'over') {
      realTimers.queueMicrotask(listener)
      return
    }
    this.#whenOver ??= []
    this.#whenOver.push(listener)
  }

  /** Resolves when the server has answered everything, or the session is gone. */
  whenFree(): Promise<void> {
    if (this.slot?.occupant !== this) return Promise.resolve()
    return new Promise((resolve) => {
      this.#whenFree ??= []
      this.#whenFree.push(resolve)
    })
  }

  override expire(now: number): void {
    switch (this.#state) {
      case 'asking':
        this.#cancelLate(now)
        return
      case 'cancelling':
      case 'aborting':
        this.stop(this.#givenUp(this.outcome))
        return
      case 'over':
        // The polite way has taken too long. From here on the quarantine sees to it, and breaks the
        // session if it must.
        this.host.cancel(this.slot!)
        return
      case 'new':
      case 'queued':
      case 'paused':
        return
    }
  }

  #outOfTime(now: number): void {
    this.#limitMs = this.#limits.timeoutMs!
    if (this.#state === 'asking') {
      this.#cancelLate(now)
    } else if (this.#state === 'queued' || this.#state === 'paused') {
      this.host.countTimeout()
      this.interrupt((executed) => this.#givenUp(executed))
    }
  }

  #cancelLate(now: number): void {
    this.#state = 'cancelling'
    this.host.countTimeout()
    cancelWork(this.host, this, this.slot!, now)
  }

  /**
   * Where the server's word can tell more than is known already, the caller is kept a moment for
   * it.
   */
  #aborted(signal: AbortSignal): void {
    if (this.#cancelReason !== undefined) return
    if (this.#state !== 'asking' || this.outcome !== 'unknown') {
      this.interrupt((executed) => new AbortError(signal.reason, executed))
      return
    }
    this.#state = 'aborting'
    // What is asked of the session from now on waits behind it.
    this.#owner!.over(this)
    cancelWork(this.host, this, this.slot!, this.host.now())
  }

  #end(failure: unknown, free: boolean): void {
    const wasAsking = this.#state === 'asking' || this.#cancelReason !== undefined
    const { slot } = this
    this.#state = 'over'
    this.#failure = failure
    this.host.deadlines.remove(this)
    if (this.#wholeLimit !== undefined) this.host.deadlines.remove(this.#wholeLimit)
    if (this.#onAbort !== undefined) {
      unwatchSignal(this.#limits.signal, this.#onAbort)
      this.#onAbort = undefined
    }
    this.#owner?.over(this)
    if (slot !== undefined) {
      if (free) this.#free()
      // Otherwise the answer that is still to come decides how to go on.
      else if (!wasAsking || !this.#stopped) this.#unwind()
    }
    if (failure !== undefined && this.#settle !== undefined) failCall(this.#settle, failure)
    this.#settle = undefined
    for (const listener of this.#whenOver ?? []) realTimers.queueMicrotask(listener)
    this.#whenOver = undefined
  }

  #unwind(): void {
    const slot = this.slot!
    const now = this.host.now()
    slot.ask(now)
    if (this.endsByCancel) this.host.cancel(slot)
    setDeadline(this.host, this, now, this.politeMs)
    attempt(() => this.unwind()).then(
      () => this.#free(),
      () => this.#free(),
    )
  }

  /** The session is no longer this work's. */
  #free(): void {
    const slot = this.slot!
    if (slot.occupant !== this) return
    slot.vacate()
    this.host.deadlines.remove(this)
    this.#owner!.freed(slot)
    slot.recheckQuiet()
    for (const resolve of this.#whenFree ?? []) resolve()
    this.#whenFree = undefined
  }

  #givenUp(executed: Executed, cause?: unknown, durability?: Durability): Error {
    const signal = this.#state === 'aborting' ? this.#limits.signal : undefined
    const { name } = this.host
    return this.#about(givenUpError(name, signal, this.#limitMs, executed, cause, durability))
  }

  #about<E>(error: E): E {
    return aboutStatement(this.host, error, this.text)
  }
}

/** The limit of the whole call, beside that of a single answer. */
class WholeLimit extends Timed {
  readonly #passed: (now: number) => void

  constructor(passed: (now: number) => void) {
    super()
    this.#passed = passed
  }

  override expire(now: number): void {
    this.#passed(now)
  }
}

/** Calls what returns a promise, and makes a rejection of what it throws. */
function attempt<T>(call: () => Promise<T>): Promise<T> {
  try {
    return call()
  } catch (error) {
    return Promise.reject(error)
  }
}
