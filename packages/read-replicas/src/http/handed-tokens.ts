// Fewer requests than this are under way at once. Beyond it the oldest entries are forgotten first.
const MOST_KEPT = 10_000
const LONGEST_CHAIN = 1_000
/**
 * The token of a session that has seen something without a known position. Many clients hold it, so
 * it says nothing about which client sent it.
 */
export const SHARED = 'v1.strong'
// Clients that come for the first time have no token; they share this one.
const NO_TOKEN = ''

/**
 * Remembers which token this process last handed out to the client that sent another one. When a
 * client makes two requests at once with the same token, the later response may carry the older
 * position, and a cookie keeps what came last.
 */
export class HandedTokens {
  // By the token that the client sent: the token that it was given in return.
  readonly #next = new Map<string, string>()
  #handedOut = 0
  // The number of the last response that gave a new client the strong token.
  #strongAt = 0
  // The number of the last response that let a client keep the strong token after a write.
  #keptAt = 0

  /**
   * How many tokens have been handed out so far. A request remembers the count at its beginning.
   */
  get count(): number {
    return this.#handedOut
  }

  /**
   * The last token that was handed out for this one; undefined if there was none, or if it has been
   * forgotten. New clients cannot be told apart, so the strong token counts only for their requests
   * that began before it was handed out; `count` is the count at the beginning of the request.
   */
  after(given: string, count = 0): string | undefined {
    if (given === SHARED && this.#keptAt > count) return SHARED
    let last = this.#next.get(given)
    for (let step = 0; last !== undefined && last !== SHARED && step < LONGEST_CHAIN; step++) {
      const next = this.#next.get(last)
      if (next === undefined) break
      last = next
    }
    const isOfOthers = given === NO_TOKEN && last === SHARED && this.#strongAt <= count
    return isOfOthers ? undefined : last
  }

  /**
   * A client that sent the strong token keeps it, and has written. A concurrent request of that
   * client, which began before, must not replace it with the position that it has found for itself.
   */
  keepStrong(): void {
    this.#keptAt = ++this.#handedOut
  }

  /**
   * The client that sent `given` gets `token`. `inherited` says that the request has it from a
   * concurrent one.
   */
  handOut(given: string, token: string, inherited = false): void {
    if (given === token) return
    this.#handedOut++
    if (given === NO_TOKEN && token === SHARED && !inherited) this.#strongAt = this.#handedOut
    this.#next.delete(given)
    this.#next.set(given, token)
    if (this.#next.size <= MOST_KEPT) return
    // A map keeps the order in which its keys were added.
    const [oldest] = this.#next.keys()
    this.#next.delete(oldest!)
  }
}
