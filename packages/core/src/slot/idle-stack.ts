import { own } from '../base/own.js'
import type { Slot } from './slot.js'

/**
 * Idle connections, the most recently used on top: the hottest one is lent next, and the
 * surplus grows old at the bottom. Every operation is O(1).
 */
export class IdleStack {
  /** The most recently used one. */
  readonly top: Slot | undefined
  /** The one that has been idle longest. */
  readonly bottom: Slot | undefined
  /** Number of idle connections. */
  readonly size: number = 0

  /** Puts a connection on top. */
  push(slot: Slot): void {
    slot.below = this.top
    slot.above = undefined
    if (this.top === undefined) own<IdleStack>(this).bottom = slot
    else this.top.above = slot
    own<IdleStack>(this).top = slot
    own<IdleStack>(this).size++
  }

  /** Takes a connection out. */
  remove(slot: Slot): void {
    if (slot.above === undefined) own<IdleStack>(this).top = slot.below
    else slot.above.below = slot.below
    if (slot.below === undefined) own<IdleStack>(this).bottom = slot.above
    else slot.below.above = slot.above
    slot.above = undefined
    slot.below = undefined
    own<IdleStack>(this).size--
  }
}
