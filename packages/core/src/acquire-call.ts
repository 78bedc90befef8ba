import type { DeadlineQueue } from './deadline-queue.js'
import { AbortError, type AcquireTimeoutError } from './errors.js'
import type { Lease } from './lease.js'
import type { Slot } from './slot.js'
import { Waiter } from './wait-queue.js'

/** What a waiting acquire needs of its pool. */
export interface AcquireHost {
  /** Deadlines of the pool. */
  readonly deadlines: DeadlineQueue
  /** Makes the lease of a connection that is already marked as leased. */
  lease(slot: Slot): Lease
  /** The caller no longer waits. */
  leaveQueue(waiter: Waiter): void
  /** The error for a wait that took too long. */
  acquireTimeout(waitedMs: number): AcquireTimeoutError
  /** The wait passed its deadline. */
  countTimeout(): void
}

/** One `acquire()` that has to wait. */
export class AcquireCall extends Waiter {
  readonly #host: AcquireHost
  readonly #signal: AbortSignal | undefined
  readonly #resolve: (lease: Lease) => void
  readonly #reject: (error: Error) => void
  #onAbort: (() => void) | undefined

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
    this.#signal = signal
    this.#resolve = resolve
    this.#reject = reject
    if (signal !== undefined) {
      this.#onAbort = () => {
        this.#host.leaveQueue(this)
        this.refuse(new AbortError(signal.reason, 'no'))
      }
      signal.addEventListener('abort', this.#onAbort, { once: true })
    }
  }

  override receive(slot: Slot): void {
    this.#end()
    this.#resolve(this.#host.lease(slot))
  }

  override refuse(error: Error): void {
    this.#end()
    this.#reject(error)
  }

  override expire(now: number): void {
    this.#host.leaveQueue(this)
    this.#host.countTimeout()
    this.refuse(this.#host.acquireTimeout(now - this.enqueuedAt))
  }

  #end(): void {
    this.#host.deadlines.remove(this)
    if (this.#onAbort !== undefined) this.#signal!.removeEventListener('abort', this.#onAbort)
  }
}
