import type { Slot } from './slot.js'
import type { SlotState } from './slot-steps.js'

/** How many of these connections are in one of these states. */
export function countSlots(slots: Iterable<Slot>, ...states: readonly SlotState[]): number {
  let count = 0
  for (const { state } of slots) if (states.includes(state)) count++
  return count
}

/** How many of these connections are not closing. */
export function countStaying(slots: ReadonlySet<Slot>): number {
  return slots.size - countSlots(slots, 'closing')
}
