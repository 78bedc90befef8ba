import { Waiter } from '../engine/wait-queue.js'
import type { Slot } from '../slot/slot.js'

/**
 * The lane has no connection. It stands in front, and takes turns with the others: it serves all of
 * its calls at its turn, and gives the connection up when other callers need it.
 */
export const IN_FRONT: number = Number.MAX_SAFE_INTEGER
/** The lane has a connection, and takes another one only if no other caller does. */
export const BEHIND: number = Number.MIN_SAFE_INTEGER

/** The lane as one caller among those that wait for a connection. */
export class LaneWaiter extends Waiter {
  readonly #receive: (slot: Slot, now: number) => void
  readonly #refuse: (error: Error) => void

  /** Hands on what it gets. `priority` is `IN_FRONT` or `BEHIND`. */
  constructor(
    priority: number,
    receive: (slot: Slot, now: number) => void,
    refuse: (error: Error) => void,
  ) {
    super(priority)
    this.isLane = true
    this.#receive = receive
    this.#refuse = refuse
  }

  override receive(slot: Slot, now: number): void {
    this.#receive(slot, now)
  }

  override refuse(error: Error): void {
    this.#refuse(error)
  }

  /** It has no limit of its own: those of the calls hold. */
  override expire(): void {}
}
