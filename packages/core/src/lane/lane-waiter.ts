import { Waiter } from '../engine/wait-queue.js'
import type { Slot } from '../slot/slot.js'

// The lane stands in front: it keeps its connections only while no other caller needs them, and
// serves all of its own at its turn.
const IN_FRONT = Number.MAX_SAFE_INTEGER

/** The lane as one caller among those that wait for a connection. */
export class LaneWaiter extends Waiter {
  readonly #receive: (slot: Slot, now: number) => void
  readonly #refuse: (error: Error) => void

  /** Hands on what it gets. */
  constructor(receive: (slot: Slot, now: number) => void, refuse: (error: Error) => void) {
    super(IN_FRONT)
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
