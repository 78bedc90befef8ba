import { elsewhereError } from '../identity/only-to.js'
import type { AcceptsServer } from '../server/server-identity.js'
import type { Slot } from '../slot/slot.js'
import type { EngineView } from './engine-view.js'
import type { Waiter } from './wait-queue.js'

// After so many new connections in a row that led to other servers, no more are opened in the hope
// of the right one.
const MOST_MISSES = 3

/**
 * Knows which callers wait in vain for a certain server: no connection leads there, and new ones
 * lead elsewhere or cannot be opened. They are refused instead of waiting out their time.
 */
export class ServerWishes {
  readonly #engine: EngineView
  #misses = new WeakMap<AcceptsServer, number>()

  /** Judges by the connections and the callers of this engine. */
  constructor(engine: EngineView) {
    this.#engine = engine
  }

  /** What was missed so far says nothing about new connections. */
  forget(): void {
    this.#misses = new WeakMap()
  }

  /** A connection was opened: counts the wishes that it misses. */
  opened(slot: Slot): void {
    for (const accepts of this.#engine.handoff.wishes()) {
      if (accepts(slot.server)) this.#misses.delete(accepts)
      else this.#misses.set(accepts, (this.#misses.get(accepts) ?? 0) + 1)
    }
  }

  /** Refuses a caller that has just begun to wait, if it does so in vain. */
  check(waiter: Waiter, accepts: AcceptsServer): void {
    if (waiter.lane === undefined || !this.#isVain(accepts)) return
    this.#engine.handoff.leave(waiter)
    waiter.refuse(elsewhereError(this.#engine.config))
  }

  /** Refuses every caller that waits in vain. */
  dismissVain(): void {
    const { handoff } = this.#engine
    if (handoff.choosy === 0) return
    handoff.dismiss(
      (accepts) => this.#isVain(accepts),
      () => elsewhereError(this.#engine.config),
    )
  }

  #isVain(accepts: AcceptsServer): boolean {
    const { slots, config } = this.#engine
    const full = slots.size >= config.max
    for (const slot of slots) {
      if (slot.state === 'closing' || slot.state === 'gone') continue
      if (slot.state === 'connecting' ? full : accepts(slot.server)) return false
    }
    if (!full && (this.#misses.get(accepts) ?? 0) < MOST_MISSES) return false
    this.#misses.delete(accepts)
    return true
  }
}
