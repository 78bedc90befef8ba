// Together a few megabytes at most.
const MOST = 10_000
const LONGEST_ID = 256

/** Caches ids of unknown tenants, so that repeated calls for them cost nothing. Bounded. */
export class UnknownTenants {
  readonly #now: () => number
  readonly #ttlMs: number
  // Oldest first, because all are kept equally long.
  readonly #until = new Map<string, number>()

  /** Each id is kept for `ttlMs`; `now` is the time. */
  constructor(now: () => number, ttlMs: number) {
    this.#now = now
    this.#ttlMs = ttlMs
  }

  get size(): number {
    return this.#until.size
  }

  /** Remembers an unknown id, unless it is very long. */
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

  /** Whether the id was unknown within the last `ttlMs`. */
  has(id: string): boolean {
    const until = this.#until.get(id)
    if (until === undefined) return false
    if (until > this.#now()) return true
    this.#until.delete(id)
    return false
  }
}
