import type { PoolLease } from '../lease/pool-lease.js'
import { traitsOf } from '../sql/statement-traits.js'

/**
 * Who has the driver's own object of a session, for the time of one lease. A driver asks it before
 * the object does anything.
 */
export interface RawHolder {
  /**
   * The error for a use of the object after its lease was given back; undefined while the lease is
   * out.
   */
  refusal(): Error | undefined
  /** Statements with this text are about to be sent through the object. */
  sends(text: string): void
  /**
   * Something was handed out that reaches the server past the object, such as the protocol under
   * it. `what` names it for the pool's events.
   */
  exposed(what: string): void
}

/**
 * The holder that a lease is. What is sent through its raw object is judged by its text, as what is
 * sent through the lease.
 */
export class LeaseHolder implements RawHolder {
  readonly #lease: PoolLease

  /** Holds for as long as the lease is valid. */
  constructor(lease: PoolLease) {
    this.#lease = lease
  }

  refusal(): Error | undefined {
    return this.#lease.valid ? undefined : this.#lease.released()
  }

  sends(text: string): void {
    const { slot } = this.#lease
    slot.marks.note(traitsOf(text, slot.escapes))
  }

  exposed(what: string): void {
    this.#lease.slot.marks.spoil(`${what} was handed out, which no reset takes back`)
  }
}
