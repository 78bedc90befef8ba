import { AbortError, type ClockTimer, type ConnectionPool, NoPrimaryError } from '@poolhouse/core'
import { type EventHub, failCall, unwatchSignal, watchSignal } from '@poolhouse/core/kit'
import type { HeldCalls } from '../judge/describe-change.js'
import type { FailoverConfig } from '../options/failover-options.js'
import type { TopologyWatch } from '../watch/topology-watch.js'

// With `hold: false`, calls wait for the end of the first round of probes.
const FIRST_ROUND_CALLS = 1_000

interface HeldCall {
  readonly since: number
  readonly isListening: boolean
  release(pool: ConnectionPool): void
  refuse(error: Error): void
}

/**
 * Owns the calls that wait for a primary, in order of arrival. A call that waits keeps the process
 * alive.
 */
export class HoldQueue {
  readonly #config: Pick<FailoverConfig, 'name' | 'clock' | 'hold'>
  readonly #hub: EventHub
  readonly #watch: Pick<TopologyWatch, 'describe' | 'noPrimaryCause'>
  // A Set keeps the order and lets a call leave from anywhere in O(1).
  readonly #held = new Set<HeldCall>()
  #heldSince = 0
  // Whether the last event was `hold`: `hold` and `resume` alternate.
  #isAnnounced = false
  #pauseReason: string | undefined

  /** Emits `hold` and `resume` on the hub. The watch is only asked for messages. */
  constructor(
    config: Pick<FailoverConfig, 'name' | 'clock' | 'hold'>,
    hub: EventHub,
    watch: Pick<TopologyWatch, 'describe' | 'noPrimaryCause'>,
  ) {
    this.#config = config
    this.#hub = hub
    this.#watch = watch
  }

  /** Whether calls are held although there may be a primary. */
  get isPaused(): boolean {
    return this.#pauseReason !== undefined
  }

  /** Holds calls for this reason although there may be a primary; undefined ends that. */
  setPause(reason: string | undefined): void {
    this.#pauseReason = reason
  }

  /** The calls that wait; undefined if there are none. */
  get held(): HeldCalls | undefined {
    const { size: calls } = this.#held
    if (calls === 0) return undefined
    return { calls, heldMs: this.#config.clock.now() - this.#heldSince }
  }

  /** How many calls wait. */
  get size(): number {
    return this.#held.size
  }

  /**
   * Waits for a primary until `deadline` (client time). Rejects with `NoPrimaryError` when that
   * passes or when too many calls wait already, and with `AbortError` when the signal fires.
   * `isListening` says that the call is `listen`.
   */
  wait(
    deadline: number,
    signal: AbortSignal | undefined,
    isListening = false,
  ): Promise<ConnectionPool> {
    const { clock, hold } = this.#config
    const maxCalls = hold?.maxCalls ?? FIRST_ROUND_CALLS
    if (signal?.aborted) return Promise.reject(new AbortError(signal.reason, 'no'))
    const since = clock.now()
    if (this.#held.size >= maxCalls) {
      return Promise.reject(this.noPrimary(`${maxCalls} calls are held already (hold.maxCalls)`))
    }
    if (deadline <= since) return Promise.reject(this.noPrimary('no time is left to wait'))
    if (this.#held.size === 0) {
      this.#heldSince = since
      this.#announce()
    }
    const over = this.#hub.calls?.held(this.#config.name)
    return new Promise((resolve) => {
      const end = (settle: () => void): void => {
        this.#held.delete(held)
        timer.cancel()
        unwatchSignal(signal, onAbort)
        settle()
      }
      const held: HeldCall = {
        since,
        isListening,
        release: (pool) => {
          over?.(undefined)
          end(() => resolve(pool))
        },
        refuse: (error) => {
          over?.(error)
          end(() => failCall(resolve, error))
        },
      }
      const onAbort = (): void => held.refuse(new AbortError(signal!.reason, 'no'))
      const timer: ClockTimer = clock.setTimer(
        () => {
          // The answer of a new primary may have arrived while the event loop was busy.
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

  /** Sends the first `count` calls to this pool, in order of arrival. */
  release(pool: ConnectionPool, reason: string, count: number = Number.POSITIVE_INFINITY): void {
    const { size } = this.#held
    if (size === 0) return
    if (this.#isAnnounced && this.#hub.has('resume')) {
      const { name, clock } = this.#config
      const heldMs = clock.now() - this.#heldSince
      this.#hub.emit('resume', { pool: name, held: size, heldMs, reason })
    }
    this.#isAnnounced = false
    let left = count
    for (const held of this.#held) {
      if (left-- <= 0) return
      held.release(pool)
    }
  }

  /** Notes that the primary was lost while calls still wait. */
  stay(): void {
    if (this.#held.size > 0 && !this.#isAnnounced) this.#announce()
  }

  /** Rejects every call that waits. */
  refuse(error: () => Error): void {
    for (const held of [...this.#held]) held.refuse(error())
  }

  /** Rejects every `listen` that waits. */
  refuseListening(error: () => Error): void {
    for (const held of [...this.#held]) if (held.isListening) held.refuse(error())
  }

  /**
   * The error for a call that finds no primary. `why` continues the sentence "has no primary, ".
   */
  noPrimary(why: string, cause?: unknown): NoPrimaryError {
    return new NoPrimaryError(
      `"${this.#config.name}" has no primary, ${why}; nodes: ${this.#describe()}`,
      this.#watch.noPrimaryCause(cause),
    )
  }

  #announce(): void {
    this.#isAnnounced = true
    if (!this.#hub.has('hold')) return
    this.#hub.emit('hold', { pool: this.#config.name, reason: this.#describe() })
  }

  #describe(): string {
    const nodes = this.#watch.describe()
    return this.#pauseReason === undefined ? nodes : `${this.#pauseReason}; ${nodes}`
  }
}
