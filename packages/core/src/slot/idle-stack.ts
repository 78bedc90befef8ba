import type { Slot } from './slot.js'

/**
 * Idle connections, the most recently used on top: the hottest one is lent next, and the
 * surplus grows old at the bottom. Every operation is O(1).
 */
export class IdleStack {
  #top: Slot | undefined
  #bottom: Slot | undefined
  #size = 0

  /** Number of idle connections. */
  get size(): number {
    return this.#size
  }

  /** The most recently used one. */
  get top(): Slot | undefined {
    return this.#top
  }

  /** The one that has been idle longest. */
  get bottom(): Slot | undefined {
    return this.#bottom
  }

  /** Puts a connection on top. */
  push(slot: Slot): void {
    slot.below = this.#top
    slot.above = undefined
    if (this.#top === undefined) this.#bottom = slot
    else this.#top.above = slot
    this.#top = slot
    this.#size++
  }

  /** Takes a connection out. */
  remove(slot: Slot): void {
    if (slot.above === undefined) this.#top = slot.below
    else slot.above.below = slot.below
    if (slot.below === undefined) this.#bottom = slot.above
    else slot.below.above = slot.above
    slot.above = undefined
    slot.below = undefined
    this.#size--
  }
}
