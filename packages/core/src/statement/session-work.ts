import type { Occupant } from '../slot/occupant.js'
import type { Slot } from '../slot/slot.js'

/** What takes its turn on a connection: a statement, or another call to the driver. */
export interface OrderedWork {
  /** Whether its caller has an answer already, so that it need not be begun. */
  readonly settled: boolean
  /** Something else is before it. */
  queue(now: number): void
  /** Its turn: begins, and says `finished` to the order once. */
  receive(slot: Slot, now: number): void
  /** Fails with nothing sent. */
  drop(error: Error): void
}

/** Work that has its session to itself until it is over: a stream or a copy. */
export interface ExclusiveWork extends OrderedWork, Occupant {
  /** Gives up: its caller gets `error` at once, and the session is brought back meanwhile. */
  stop(error: unknown): void
}

/** Decides which work has the session next. */
export interface WorkOwner {
  /** The work is over for its caller. Its session may still be busy with it. */
  over(work: ExclusiveWork): void
  /** The server has answered everything that the work has sent. */
  freed(slot: Slot): void
}
