import type { Slot } from '../slot/slot.js'

/** Callers of `recycle()` and the eras they wait to see the end of. */
export class Recycling {
  #waiting: { era: number; resolve: () => void }[] = []

  /** Resolves when no connection older than `era` is left. */
  wait(era: number): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push({ era, resolve })
    })
  }

  /** A connection is gone: whose old ones are all gone now? */
  check(slots: ReadonlySet<Slot>): void {
    if (this.#waiting.length === 0) return
    let oldest = Number.POSITIVE_INFINITY
    for (const { era } of slots) oldest = Math.min(oldest, era)
    this.#waiting = this.#waiting.filter(({ era, resolve }) => {
      if (oldest < era) return true
      resolve()
      return false
    })
  }
}
