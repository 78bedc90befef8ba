const MOST = 10_000

/**
 * Fingerprints of statements that replicas have refused. The least recently used ones are forgotten
 * first.
 */
export class LearnedStatements {
  readonly #fingerprints = new Set<number>()
  readonly #most: number

  /** Remembers `most` fingerprints at most. */
  constructor(most: number = MOST) {
    this.#most = most
  }

  /** Whether no statement is known. */
  get empty(): boolean {
    return this.#fingerprints.size === 0
  }

  /** Whether such a statement was refused. */
  has(fingerprint: number): boolean {
    if (!this.#fingerprints.delete(fingerprint)) return false
    this.#fingerprints.add(fingerprint)
    return true
  }

  /** Remembers that such a statement was refused. */
  add(fingerprint: number): void {
    this.#fingerprints.delete(fingerprint)
    this.#fingerprints.add(fingerprint)
    if (this.#fingerprints.size <= this.#most) return
    // A set keeps the order in which its members were added.
    const [oldest] = this.#fingerprints
    this.#fingerprints.delete(oldest!)
  }
}
