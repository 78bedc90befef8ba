import { AbortError } from '@poolhouse/core'
import { failCall, unwatchSignal, watchSignal } from '@poolhouse/core/kit'
import type { Background } from '../base/background.js'

interface Waiter {
  readonly fits: () => boolean
  settle(came: boolean): void
}

/** Reads that wait for a replica to become fresh enough. */
export class FreshWait {
  readonly #background: Background
  readonly #waiters = new Set<Waiter>()

  /** Takes the timers of the pool. */
  constructor(background: Background) {
    this.#background = background
  }

  /**
   * Resolves with true as soon as a replica fits, with false at the deadline. Rejects with
   * `AbortError` when the signal fires.
   */
  wait(fits: () => boolean, deadline: number, signal: AbortSignal | undefined): Promise<boolean> {
    return new Promise((resolve) => {
      const end = (): void => {
        timer.cancel()
        this.#waiters.delete(waiter)
        unwatchSignal(signal, onAbort)
      }
      const onAbort = (): void => {
        end()
        failCall(resolve, new AbortError(signal!.reason, 'no'))
      }
      const waiter: Waiter = {
        fits,
        settle: (came) => {
          end()
          resolve(came)
        },
      }
      const delayMs = Math.max(0, deadline - this.#background.now())
      const timer = this.#background.after(delayMs, () => waiter.settle(false), { keepAlive: true })
      watchSignal(signal, onAbort)
      this.#waiters.add(waiter)
    })
  }

  /**
   * Ends the waits for which a replica fits now. To be called when something about the replicas has
   * changed.
   */
  reconsider(): void {
    for (const waiter of this.#waiters) if (waiter.fits()) waiter.settle(true)
  }

  /** Ends all waits with false. */
  close(): void {
    for (const waiter of this.#waiters) waiter.settle(false)
  }
}
