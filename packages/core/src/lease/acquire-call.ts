import type { Lease } from '../api/lease.js'
import type { DeadlineQueue } from '../base/deadline-queue.js'
import { unwatchSignal, watchSignal } from '../base/watch-signal.js'
import { Waiter } from '../engine/wait-queue.js'
import { AbortError, type AcquireTimeoutError } from '../outcome/errors.js'
import type { Slot } from '../slot/slot.js'

/** What a waiting acquire needs of its pool. */
export interface AcquireHost {
  /** Deadlines of the pool. */
  readonly deadlines: DeadlineQueue
  /** Makes the lease of a connection that is already marked as leased. */
  lease(slot: Slot, call: AcquireCall): Lease
  /** The caller no longer waits. */
  leaveQueue(waiter: Waiter): void
  /** The error for a wait that took too long. */
  acquireTimeout(waitedMs: number): AcquireTimeoutError
  /** The wait passed its deadline. */
  countTimeout(): void
}

/** One `acquire()` that has to wait. */
export class AcquireCall extends Waiter {
  // Few fields and no private method, which would be one field more: thousands of these may wait at
  // once.
  readonly #host: AcquireHost
  readonly #resolve: (lease: Lease) => void
  readonly #reject: (error: Error) => void
  #unwatch: (() => void) | undefined
  /**
   * Where the caller stood, if that was sampled: by the time it is served, the stack is that of
   * whoever served it.
   */
  declare calledFrom: { readonly stack?: string } | undefined
  /** Whether the caller wants the session reset around his lease. */
  declare resetAround: boolean

  /** `resolve` and `reject` settle the caller's promise, exactly one of them once. */
  constructor(
    host: AcquireHost,
    priority: number,
    signal: AbortSignal | undefined,
    resolve: (lease: Lease) => void,
    reject: (error: Error) => void,
  ) {
    super(priority)
    this.#host = host
    this.#resolve = resolve
    this.#reject = reject
    this.#unwatch = signal && watch(signal, this, host)
    this.calledFrom = undefined
    this.resetAround = false
  }

  override receive(slot: Slot): void {
    const host = this.#host
    host.deadlines.remove(this)
    this.#unwatch?.()
    this.#resolve(host.lease(slot, this))
  }

  override refuse(error: Error): void {
    this.#host.deadlines.remove(this)
    this.#unwatch?.()
    this.#reject(error)
  }

  override expire(now: number): void {
    this.#host.leaveQueue(this)
    this.#host.countTimeout()
    this.refuse(this.#host.acquireTimeout(now - this.enqueuedAt))
  }
}

/** Refuses the call when its signal fires; returns how to stop that. */
function watch(signal: AbortSignal, call: Waiter, host: AcquireHost): () => void {
  const onAbort = (): void => {
    host.leaveQueue(call)
    call.refuse(new AbortError(signal.reason, 'no'))
  }
  watchSignal(signal, onAbort)
  return () => unwatchSignal(signal, onAbort)
}
