import { CHANGES_SESSION, SPOILS_SESSION } from '../sql/trait-flags.js'
import type { Slot } from './slot.js'

/**
 * Has the reset that is due travel in front of what the session does next. To be called just before
 * that.
 */
export function resetAhead(slot: Slot): void {
  if (!slot.resetDue) return
  slot.resetDue = false
  slot.connection!.resetFirst!()
}

/**
 * Notes what a statement may do to its session, before it is sent: whether it fails, is cancelled
 * or is rolled back says nothing about what it did. `traits` are those of its text.
 */
export function markSession(slot: Slot, traits: number): void {
  if ((traits & CHANGES_SESSION) !== 0) slot.dirty = true
  if ((traits & SPOILS_SESSION) !== 0) {
    slot.spoiled ??= 'a statement did to its session what no reset undoes'
  }
}
