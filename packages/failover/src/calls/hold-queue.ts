import {
  AbortError,
  type Clock,
  type ClockTimer,
  type ConnectionPool,
  NoPrimaryError,
} from '@poolhouse/core'
import { type EventHub, unwatchSignal, watchSignal } from '@poolhouse/core/kit'

/** What the queue needs of its pool. */
export interface HoldQueueOptions {
  /** Name for events. */
  readonly name: string
  readonly clock: Clock
  readonly hub: EventHub
  /** Most calls that wait at a time. */
  readonly maxCalls: number
  /** What is known of the nodes, for messages. */
  readonly describe: () => string
}

interface Held {
  readonly since: number
  readonly isListening: boolean
  release(pool: ConnectionPool): void
  refuse(error: Error): void
}

/**
 * Calls that wait for a primary, in order of arrival. A call that waits keeps the process alive.
 */
export class HoldQueue {
  readonly #options: HoldQueueOptions
  // A Set keeps the order and lets a call leave from anywhere in O(1).
  readonly #held = new Set<Held>()
  #heldSince = 0
  // Whether listeners believe that calls are held: `hold` and `resume` take turns.
  #isTold = false

  /** Begins empty. */
  constructor(options: HoldQueueOptions) {
    this.#options = options
  }

  /** How long the first of the calls has waited, in milliseconds; undefined if none waits. */
  get heldMs(): number | undefined {
    return this.#held.size === 0 ? undefined : this.#options.clock.now() - this.#heldSince
  }

  /** Calls that wait. */
  get size(): number {
    return this.#held.size
  }

  /**
   * Waits for a primary until `deadline` (client time). Rejects with `NoPrimaryError` when it
   * passes or when too many wait already, and with `AbortError` when the signal fires.
   * `isListening` says that the call wants to listen.
   */
  wait(
    deadline: number,
    signal: AbortSignal | undefined,
    isListening = false,
  ): Promise<ConnectionPool> {
    const { clock, hub, name, maxCalls, describe } = this.#options
    if (signal?.aborted) return Promise.reject(new AbortError(signal.reason, 'no'))
    const since = clock.now()
    if (this.#held.size >= maxCalls) {
      return Promise.reject(this.noPrimary(`${maxCalls} calls are held already (hold.maxCalls)`))
    }
    if (deadline <= since) return Promise.reject(this.noPrimary('no time is left to wait'))
    if (this.#held.size === 0) {
      this.#heldSince = since
      this.#isTold = true
      if (hub.has('hold')) hub.emit('hold', { pool: name, reason: describe() })
    }
    return new Promise((resolve, reject) => {
      const end = (settle: () => void): void => {
        this.#held.delete(held)
        timer.cancel()
        unwatchSignal(signal, onAbort)
        settle()
      }
      const held: Held = {
        since,
        isListening,
        release: (pool) => end(() => resolve(pool)),
        refuse: (error) => end(() => reject(error)),
      }
      const onAbort = (): void => held.refuse(new AbortError(signal!.reason, 'no'))
      const timer: ClockTimer = clock.setTimer(
        () => {
          // The news of a new primary may have arrived while the event loop was busy.
          clock.afterIo(() => {
            if (!this.#held.has(held)) return
            const waited = Math.round(clock.now() - since)
            held.refuse(this.noPrimary(`held for ${waited} ms`))
          })
        },
        deadline - since,
        { keepAlive: true },
      )
      watchSignal(signal, onAbort)
      this.#held.add(held)
    })
  }

  /** Lets this many calls go on, first come first served. */
  release(pool: ConnectionPool, reason: string, count: number = Number.POSITIVE_INFINITY): void {
    const { size } = this.#held
    if (size === 0) return
    const { clock, hub, name } = this.#options
    if (this.#isTold && hub.has('resume')) {
      const heldMs = clock.now() - this.#heldSince
      hub.emit('resume', { pool: name, held: size, heldMs, reason })
    }
    this.#isTold = false
    let left = count
    for (const held of this.#held) {
      if (left-- <= 0) return
      held.release(pool)
    }
  }

  /** The primary is lost while calls still wait. */
  stay(): void {
    const { hub, name, describe } = this.#options
    if (this.#held.size === 0 || this.#isTold) return
    this.#isTold = true
    if (hub.has('hold')) hub.emit('hold', { pool: name, reason: describe() })
  }

  /** Refuses every call. */
  refuse(error: () => Error): void {
    for (const held of [...this.#held]) held.refuse(error())
  }

  /** Refuses the calls that want to listen. */
  refuseListening(error: () => Error): void {
    for (const held of [...this.#held]) if (held.isListening) held.refuse(error())
  }

  /** The error for a call that finds no primary. */
  noPrimary(why: string, cause?: unknown): NoPrimaryError {
    const { name, describe } = this.#options
    return new NoPrimaryError(`"${name}" has no primary, ${why}; nodes: ${describe()}`, cause)
  }
}
