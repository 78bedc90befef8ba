import { fingerprintOf } from '../classify/fingerprint.js'
import { LearnedStatements } from '../classify/learned-statements.js'

// A table may become a logged one, and a role's settings may change: after at most so long a
// replica is asked again.
const KEPT_MS = 60_000
const MOST_FINGERPRINTS = 1_000
// Longer texts are mostly made up for one call.
const LONGEST_KEPT = 8_192

/**
 * Declared reads that replicas have refused because they are standbys. Their like, which differ
 * only in constants, go to the primary straight away, for half a minute at least and a minute at
 * most. Free while there are none.
 */
export class StandbyRefusals {
  #recent = new LearnedStatements()
  #former = new LearnedStatements()
  #since = Number.NEGATIVE_INFINITY
  // Of texts that were asked for: the lexer reads each of them once.
  readonly #fingerprints = new Map<string, number>()

  /** Whether such a read was refused not long ago. */
  has(text: string, now: number): boolean {
    if (this.#recent.empty && this.#former.empty) return false
    this.#turn(now)
    const fingerprint = this.#fingerprintOf(text)
    return this.#recent.has(fingerprint) || this.#former.has(fingerprint)
  }

  /** A replica has refused it. */
  learn(text: string, now: number): void {
    this.#turn(now)
    this.#recent.add(this.#fingerprintOf(text))
  }

  /** Two halves of the time each: what is older than both is forgotten. */
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
