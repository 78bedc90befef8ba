/**
 * The WITH lists whose names are being read, by the depth of parentheses at which they stand.
 * Inside one, a name before a parenthesis may be a query's name with its columns, and not a call.
 */
export class WithLists {
  readonly #depths: number[] = []
  // The innermost of them, -1 if there is none.
  #last = -1

  /** Whether names of a list are being read at this depth. */
  isAt(depth: number): boolean {
    return this.#last === depth
  }

  /** A list begins at this depth. */
  enter(depth: number): void {
    this.#depths.push(depth)
    this.#last = depth
  }

  /** The lists at this depth and deeper ones are over. */
  leave(depth: number): void {
    while (this.#last >= 0 && this.#last >= depth) {
      this.#depths.pop()
      this.#last = this.#depths.at(-1) ?? -1
    }
  }
}
