import type { Seat, SeatPlace } from './seat.js'

/**
 * The pools that wait for a permit. Pools without one are served first, in order of arrival, then
 * the others, the lowest share first.
 */
export class WaitingSeats {
  // Each seat is in one of the two. A Set keeps the order, and a seat leaves from anywhere in O(1).
  readonly #empty = new Set<Seat>()
  // At most as many seats as there are permits.
  readonly #others = new Set<Seat>()

  get size(): number {
    return this.#empty.size + this.#others.size
  }

  /** Adds a seat at the end; one that waits already keeps its position. */
  add(seat: Seat, now: number): void {
    if (this.has(seat)) return
    seat.waitingSince = now
    if (seat.held === 0) this.#empty.add(seat)
    else this.#others.add(seat)
  }

  has(seat: Seat): boolean {
    return this.#empty.has(seat) || this.#others.has(seat)
  }

  /** The seats that wait for a connection to this place, in order. */
  of(place: SeatPlace): readonly Seat[] {
    return [...this.#empty, ...this.#others].filter((seat) => seat.place === place)
  }

  delete(seat: Seat): void {
    this.#empty.delete(seat)
    this.#others.delete(seat)
  }

  /**
   * The next seat when the first `served` are about to be served, not counting `except`. Drops the
   * seats whose pools want nothing any more.
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
