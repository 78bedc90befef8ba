import type { Lease } from '../api/lease.js'
import { unwatchSignal, watchSignal } from '../base/watch-signal.js'
import type { LeaseWaiter } from '../engine/leak-watch.js'
import type { PoolEngine } from '../engine/pool-engine.js'
import { Waiter } from '../engine/wait-queue.js'
import { AbortError } from '../outcome/errors.js'
import { failCall, type SettleCall } from '../outcome/fail-call.js'
import type { Slot } from '../slot/slot.js'
import type { CallObserver } from '../watch/call-watcher.js'
import { makeLease } from './make-lease.js'

/** One `acquire()` that has to wait. */
export class AcquireCall extends Waiter implements LeaseWaiter {
  // Few fields and no private method, which would be one field more: thousands of these may wait at
  // once.
  readonly #engine: PoolEngine
  readonly #resolve: ((lease: Lease) => void) & SettleCall
  #unwatch: (() => void) | undefined
  // Tells an observer that the wait is over.
  #over: ((error: Error | undefined) => void) | undefined
  /** Where the caller stood, if that was sampled. */
  declare calledFrom: { readonly stack?: string } | undefined
  /** Whether the caller wants the session reset before and after its lease. */
  declare resetAround: boolean

  /** `resolve` settles the caller's promise, once; by `failCall` where it fails. */
  constructor(
    engine: PoolEngine,
    priority: number,
    signal: AbortSignal | undefined,
    resolve: ((lease: Lease) => void) & SettleCall,
  ) {
    super(priority)
    this.#engine = engine
    this.#resolve = resolve
    this.#unwatch = signal && watch(signal, this, engine)
    this.calledFrom = undefined
    this.resetAround = false
  }

  /** Tells an observer of the wait, which begins now. */
  observe(observer: CallObserver, since: number): void {
    const begun = observer.acquiring()
    this.#over = (error) => observer.acquired(begun, this.#engine.now() - since, error)
  }

  override receive(slot: Slot): void {
    const engine = this.#engine
    this.#over?.(undefined)
    engine.deadlines.remove(this)
    this.#unwatch?.()
    this.#resolve(makeLease(engine, slot, this.resetAround, this))
  }

  override refuse(error: Error, isHere?: boolean): void {
    this.#engine.deadlines.remove(this)
    this.#unwatch?.()
    this.#over?.(error)
    failCall(this.#resolve, error, isHere)
  }

  override expire(now: number): void {
    this.#engine.leaveQueue(this)
    this.#engine.countTimeout()
    this.refuse(this.#engine.acquireTimeout(now - this.enqueuedAt))
  }
}

/** Refuses the call when its signal fires; returns how to stop that. */
function watch(signal: AbortSignal, call: Waiter, engine: PoolEngine): () => void {
  const onAbort = (): void => {
    engine.leaveQueue(call)
    call.refuse(new AbortError(signal.reason, 'no'))
  }
  watchSignal(signal, onAbort)
  return () => unwatchSignal(signal, onAbort)
}
