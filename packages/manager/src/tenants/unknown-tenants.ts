// Together a few megabytes at most, whoever asks for what.
const MOST = 10_000
const LONGEST_ID = 256

/**
 * Remembers for a while whom nobody knows, so that asking for strangers again and again costs
 * nothing. Bounded.
 */
export class UnknownTenants {
  readonly #now: () => number
  readonly #ttlMs: number
  // Oldest first, since all are kept equally long.
  readonly #until = new Map<string, number>()

  /** Begins with nobody. */
  constructor(now: () => number, ttlMs: number) {
    this.#now = now
    this.#ttlMs = ttlMs
  }

  /** How many are remembered. */
  get size(): number {
    return this.#until.size
  }

  /** Nobody knows this one. */
  add(id: string): void {
    if (this.#ttlMs === 0 || id.length > LONGEST_ID) return
    const now = this.#now()
    this.#until.delete(id)
    for (const [other, until] of this.#until) {
      if (until > now && this.#until.size < MOST) break
      this.#until.delete(other)
    }
    this.#until.set(id, now + this.#ttlMs)
  }

  /** Whether it is known that nobody knows this one. */
  has(id: string): boolean {
    const until = this.#until.get(id)
    if (until === undefined) return false
    if (until > this.#now()) return true
    this.#until.delete(id)
    return false
  }
}
