import { AbortError, type ClockTimer, NoSuitableNodeError } from '@poolhouse/core'
import { failCall, unwatchSignal, watchSignal } from '@poolhouse/core/kit'
import type { Background } from '../base/background.js'

/** Where a read may go now: to the primary, or to a replica after all. */
export type Turn = 'primary' | 'replica'

/** What bounds the wait of a read. */
export interface GateWait {
  /** Time at which the wait ends. */
  readonly deadline: number
  /** Aborts the wait. */
  readonly signal: AbortSignal | undefined
  /** Whether a replica fits the read by now, so that it need not wait for the primary. */
  readonly fits: () => boolean
  /** Why no replica fits, for the error. */
  readonly why: () => string
}

interface Waiter extends GateWait {
  settle(turn: Turn | Error): void
}

const MOST_WAITING = 1_000

/**
 * Limits how many reads run on the primary at once, in order of arrival: when the replicas are
 * gone, writes must still find a connection.
 */
export class PrimaryGate {
  readonly #background: Background
  readonly #limit: () => number
  // In order of arrival. None of them could enter when it arrived.
  readonly #waiters = new Set<Waiter>()
  #inside = 0
  #timer: ClockTimer | undefined
  #timerAt = Number.POSITIVE_INFINITY

  /** `limit` is called each time, because pools can be resized and primaries change. */
  constructor(background: Background, limit: () => number) {
    this.#background = background
    this.#limit = limit
  }

  /** Reads on the primary now. */
  get inside(): number {
    return this.#inside
  }

  /**
   * Resolves with `primary` when the read may go there, and must then be followed by `leave()`, or
   * with `replica` as soon as a replica fits. Rejects with `NoSuitableNodeError` at the deadline,
   * or at once if too many wait or none may enter; with `AbortError` when the signal fires.
   */
  enter(wait: GateWait): Promise<Turn> {
    if (this.tryEnter()) return Promise.resolve('primary')
    const limit = this.#limit()
    if (limit === 0) return Promise.reject(refusal('primaryShare is 0', wait))
    if (this.#waiters.size >= MOST_WAITING) {
      return Promise.reject(refusal(`${MOST_WAITING} reads already wait for it`, wait))
    }
    const turn = this.#queue(wait)
    // The limit may have grown since the last read left.
    this.#admit(limit)
    return turn
  }

  /**
   * Whether the read may go to the primary at once. If so, it must be followed by `leave()`.
   */
  tryEnter(): boolean {
    if (this.#waiters.size > 0 || this.#inside >= this.#limit()) return false
    this.#inside++
    return true
  }

  /** A read has left the primary. */
  leave(): void {
    this.#inside--
    this.#admit(this.#limit())
  }

  /**
   * Sends the waiting reads for which a replica fits by now to replicas. To be called when
   * something about the replicas has changed.
   */
  reconsider(): void {
    for (const waiter of this.#waiters) if (waiter.fits()) waiter.settle('replica')
  }

  /** Rejects all waits, each with an error of its own. */
  close(error: () => Error): void {
    for (const waiter of this.#waiters) waiter.settle(error())
  }

  #admit(limit: number): void {
    for (const waiter of this.#waiters) {
      if (this.#inside >= limit) return
      this.#inside++
      waiter.settle('primary')
    }
  }

  #queue(wait: GateWait): Promise<Turn> {
    return new Promise((resolve) => {
      const { signal } = wait
      const onAbort = (): void => waiter.settle(new AbortError(signal!.reason, 'no'))
      const waiter: Waiter = {
        ...wait,
        settle: (turn) => {
          this.#waiters.delete(waiter)
          unwatchSignal(signal, onAbort)
          if (this.#waiters.size === 0) this.#wakeAt(Number.POSITIVE_INFINITY)
          if (turn instanceof Error) failCall(resolve, turn)
          else resolve(turn)
        },
      }
      watchSignal(signal, onAbort)
      this.#waiters.add(waiter)
      if (wait.deadline < this.#timerAt) this.#wakeAt(wait.deadline)
    })
  }

  #expire(): void {
    const now = this.#background.now()
    const full = `${this.#inside} of ${this.#limit()} places are taken`
    this.#timerAt = Number.POSITIVE_INFINITY
    let next = Number.POSITIVE_INFINITY
    for (const waiter of this.#waiters) {
      if (waiter.deadline <= now) waiter.settle(refusal(full, waiter))
      else next = Math.min(next, waiter.deadline)
    }
    this.#wakeAt(next)
  }

  /** One timer for all waits. It keeps the process alive while a read waits. */
  #wakeAt(time: number): void {
    this.#timer?.cancel()
    this.#timerAt = time
    if (time === Number.POSITIVE_INFINITY) return
    const delayMs = Math.max(0, time - this.#background.now())
    this.#timer = this.#background.after(delayMs, () => this.#expire(), { keepAlive: true })
  }
}

function refusal(reason: string, wait: GateWait): NoSuitableNodeError {
  return new NoSuitableNodeError(
    `no replica fits the read (${wait.why()}) and the primary takes no more reads: ${reason}`,
  )
}
