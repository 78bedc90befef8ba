import { fingerprintOf } from '../classify/fingerprint.js'
import { LearnedStatements } from '../classify/learned-statements.js'

// An unlogged table may become a logged one, and a role's settings may change: after at most this
// long a replica is tried again.
const KEPT_MS = 60_000
const MOST_FINGERPRINTS = 1_000
// Longer texts are mostly built for one call.
const LONGEST_KEPT = 8_192

/**
 * Declared reads that replicas have refused because they are standbys. The same statements, with
 * any constants, go straight to the primary, for between half a minute and a minute. Costs nothing
 * while there are none.
 */
export class StandbyRefusals {
  #recent = new LearnedStatements()
  #former = new LearnedStatements()
  #since = Number.NEGATIVE_INFINITY
  // The fingerprints of texts, so that the lexer reads each text once.
  readonly #fingerprints = new Map<string, number>()

  /** Whether such a read was refused recently. */
  has(text: string, now: number): boolean {
    if (this.#recent.empty && this.#former.empty) return false
    this.#turn(now)
    const fingerprint = this.#fingerprintOf(text)
    return this.#recent.has(fingerprint) || this.#former.has(fingerprint)
  }

  /** Remembers that a replica has refused the read. */
  learn(text: string, now: number): void {
    this.#turn(now)
    this.#recent.add(this.#fingerprintOf(text))
  }

  /** Moves on to a new half of the time. What is older than both halves is forgotten. */
  #turn(now: number): void {
    const age = now - this.#since
    if (age < KEPT_MS / 2) return
    this.#former = age < KEPT_MS ? this.#recent : new LearnedStatements()
    this.#recent = new LearnedStatements()
    this.#since = now
  }

  #fingerprintOf(text: string): number {
    let fingerprint = this.#fingerprints.get(text)
    if (fingerprint === undefined) {
      fingerprint = fingerprintOf(text)
      if (text.length > LONGEST_KEPT) return fingerprint
      if (this.#fingerprints.size >= MOST_FINGERPRINTS) this.#fingerprints.clear()
      this.#fingerprints.set(text, fingerprint)
    }
    return fingerprint
  }
}
