/**
 * What a slot does:
 *
 * - `connecting`: being opened; `connection` is not there yet
 * - `idle`: on the idle stack, lent to no caller
 * - `validating`: proving itself alive before its next use
 * - `leased`: exactly one owner
 * - `cleaning`: given back; a running statement is being cancelled, a transaction rolled back or
 *   the session reset
 * - `closing`: being ended politely; still counts against `max`, because the server still holds it
 * - `gone`: no longer counted
 */
export type SlotState = keyof typeof STEPS

/**
 * The life of one physical connection. Any other step throws.
 *
 *     connecting ──► leased ◄──► idle ──► validating ──► leased | idle
 *                      │           │
 *                      ├► cleaning ◄┤            (cleaning ──► leased | idle)
 *                      ▼            ▼
 *                    closing ──► gone        (gone can follow every state)
 *
 * An idle connection is cleaned when calls have shared it.
 * A connection that comes back goes straight to the next caller, and one that was offered to a
 * caller who is refused stays idle. A connection whose time has come closes instead of being lent.
 */
const STEPS = {
  connecting: ['leased', 'idle', 'closing', 'gone'],
  idle: ['leased', 'idle', 'validating', 'cleaning', 'closing', 'gone'],
  validating: ['leased', 'idle', 'closing', 'gone'],
  leased: ['leased', 'idle', 'cleaning', 'closing', 'gone'],
  cleaning: ['leased', 'idle', 'closing', 'gone'],
  closing: ['gone'],
  gone: [],
} as const

/** The states, in the order of `STEPS`; a slot knows its own by its number. */
export const STATES: readonly SlotState[] = Object.keys(STEPS) as readonly SlotState[]
/**
 * Which states may follow each, as bits: every state but the last two may become `leased` or
 * `idle`, so that the steps on the path of each query cost one comparison.
 */
export const NEXT: readonly number[] = STATES.map((state) =>
  STEPS[state].reduce((bits: number, next: SlotState) => bits | bitOf(next), 0),
)
/** The number of `connecting`. */
export const CONNECTING = 0
/** The number of `idle`. */
export const IDLE = 1
/** The number of `validating`. */
export const VALIDATING = 2
/** The number of `leased`. */
export const LEASED = 3
/** The number of `cleaning`. */
export const CLEANING = 4
/** The number of `closing`. */
export const CLOSING = 5
/** The number of `gone`. */
export const GONE = 6

function bitOf(state: SlotState): number {
  return 1 << STATES.indexOf(state)
}
