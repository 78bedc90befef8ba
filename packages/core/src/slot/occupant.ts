import type { Executed } from '../outcome/outcome.js'

/** What may have a session to itself for more than one answer. */
export type OccupantKind = 'stream' | 'copyFrom' | 'copyTo'

/** A stream or a copy, as its session sees it: work that has the session to itself. */
export interface Occupant {
  /** What it is. */
  readonly kind: OccupantKind
  /**
   * Whether the server owes an answer. Between two fetches it does not, and its silence says
   * nothing.
   */
  readonly asking: boolean
  /** How many rows or pieces its reader has taken so far. */
  readonly taken: number
  /** The session is gone. */
  lost(): void
  /** Gives up, with an error that says what is known of the work at this moment. */
  interrupt(errorOf: (executed: Executed) => Error): void
}
