// More requests than this are not under way at once; beyond it the tokens that were asked for least recently are forgotten first.
const MOST_KEPT = 10_000
const LONGEST_CHAIN = 1_000
// Handed out to many clients, so that it leads on from nobody.
const SHARED = 'v1.strong'

/**
 * Which token this process has handed out last to the client that came with another one. Of two requests that a client makes side by side, with the same
 * token, the one that answers last may have the older position, and a cookie holds what came last.
 */
export class HandedTokens {
  // By the token that the client came with: what it was given for it.
  readonly #next = new Map<string, string>()

  /** The last token that was handed out to who came with this one; undefined if none was, or that is forgotten. */
  after(given: string): string | undefined {
    let last = this.#next.get(given)
    for (let step = 0; last !== undefined && last !== SHARED && step < LONGEST_CHAIN; step++) {
      const next = this.#next.get(last)
      if (next === undefined) break
      last = next
    }
    return last
  }

  /** Who came with `given` gets `token`. */
  handOut(given: string, token: string): void {
    if (given === token) return
    this.#next.delete(given)
    this.#next.set(given, token)
    if (this.#next.size <= MOST_KEPT) return
    // A map keeps the order in which its keys were added.
    const [oldest] = this.#next.keys()
    this.#next.delete(oldest!)
  }
}
