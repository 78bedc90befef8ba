/** Gives a turn back, or leaves the line. A second call does nothing. */
export type EndTurn = () => void

/** Who takes turns. */
export interface TurnTaker {
  /** Its turn has come. */
  begin(): void
  /** Another taker waits for the turn that this one has. */
  wanted(): void
}

/**
 * One at a time, in order of arrival: who may open a connection beside the permits of a shared
 * budget to ask the server something.
 */
export class Turns {
  #holder: TurnTaker | undefined
  readonly #waiting: TurnTaker[] = []

  /** Whether a taker waits for a turn. */
  get wanted(): boolean {
    return this.#waiting.length > 0
  }

  /**
   * Stands in line; its turn may begin within this call, or within the end of another one's.
   * Returns what ends it.
   */
  take(taker: TurnTaker): EndTurn {
    if (this.#holder === undefined) {
      this.#holder = taker
      taker.begin()
    } else {
      this.#waiting.push(taker)
      this.#holder.wanted()
    }
    let ended = false
    return () => {
      if (ended) return
      ended = true
      const place = this.#waiting.indexOf(taker)
      if (place >= 0) this.#waiting.splice(place, 1)
      else {
        this.#holder = this.#waiting.shift()
        this.#holder?.begin()
      }
    }
  }
}
