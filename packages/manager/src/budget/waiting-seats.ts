import type { Place } from './place.js'
import type { Seat } from './seat.js'

/**
 * The pools that wait for a permit: first those that have none, in order of arrival, then those
 * with the least for their weight.
 */
export class WaitingSeats {
  // A Set keeps the order and lets a seat leave from anywhere in O(1). A seat is in one of them.
  readonly #empty = new Set<Seat>()
  // At most as many as there are permits.
  readonly #others = new Set<Seat>()

  /** How many wait. */
  get size(): number {
    return this.#empty.size + this.#others.size
  }

  /** Lets a seat wait; one that waits already keeps its place. */
  add(seat: Seat, now: number): void {
    if (this.has(seat)) return
    seat.waitingSince = now
    if (seat.held === 0) this.#empty.add(seat)
    else this.#others.add(seat)
  }

  /** Whether the seat waits. */
  has(seat: Seat): boolean {
    return this.#empty.has(seat) || this.#others.has(seat)
  }

  /** Those that wait for a connection to this place, in order. */
  of(place: Place): readonly Seat[] {
    return [...this.#empty, ...this.#others].filter((seat) => seat.place === place)
  }

  /** The seat waits no longer. */
  delete(seat: Seat): void {
    this.#empty.delete(seat)
    this.#others.delete(seat)
  }

  /**
   * Who comes next when the first `served` are on their way to being served, not counting `except`.
   * Those who want nothing any more are forgotten on the way.
   */
  next(served = 0, except?: Seat): Seat | undefined {
    let before = served
    for (const seat of this.#empty) {
      if (seat.pool.wanted() === 0) this.#empty.delete(seat)
      else if (seat !== except && before-- === 0) return seat
    }
    for (const seat of this.#others) if (seat.pool.wanted() === 0) this.#others.delete(seat)
    if (before === 0) return this.#poorest(except)
    const rest = [...this.#others].filter((seat) => seat !== except)
    return rest.sort((one, other) => one.share - other.share)[before]
  }

  #poorest(except: Seat | undefined): Seat | undefined {
    let poorest: Seat | undefined
    for (const seat of this.#others) {
      if (seat !== except && (poorest === undefined || seat.share < poorest.share)) poorest = seat
    }
    return poorest
  }
}
