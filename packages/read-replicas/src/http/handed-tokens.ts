// More requests than this are not under way at once; beyond it the tokens that were asked for least
// recently are forgotten first.
const MOST_KEPT = 10_000
const LONGEST_CHAIN = 1_000
/**
 * The token of a session that has seen what no position is known for. Handed out to many clients,
 * so that it leads on from nobody.
 */
export const SHARED = 'v1.strong'
// Those who come for the first time have no token, and share this one.
const NO_TOKEN = ''

/**
 * Which token this process has handed out last to the client that came with another one. Of two
 * requests that a client makes side by side, with the same token, the one that answers last may
 * have the older position, and a cookie holds what came last.
 */
export class HandedTokens {
  // By the token that the client came with: what it was given for it.
  readonly #next = new Map<string, string>()
  #handedOut = 0
  // The number of the answer by which a new client got the strong token last.
  #strongAt = 0
  // The number of the answer with which a client that came with the strong token has kept it, and
  // has written.
  #keptAt = 0

  /** How many tokens were handed out so far: a request keeps what it was when it began. */
  get count(): number {
    return this.#handedOut
  }

  /**
   * The last token that was handed out to who came with this one; undefined if none was, or that is
   * forgotten. New clients are not told apart, so the strong token counts only for those of their
   * requests that began before it was handed out, which `count` was then.
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
   * A client that came with the strong token keeps it, and has written. A request beside that one,
   * which began before, must not give it the position that it has found for itself instead.
   */
  keepStrong(): void {
    this.#keptAt = ++this.#handedOut
  }

  /**
   * Who came with `given` gets `token`, which is `inherited` if the request has it from the one
   * beside it.
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
