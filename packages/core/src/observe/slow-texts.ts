import type { SlowStatement } from '../api/stats.js'
import { shownText } from '../sql/hide-strings.js'

const MOST = 20
// A text that was slow once keeps its place for no longer.
const KEPT_MS = 600_000
// What follows is not kept: texts may be megabytes.
const LONGEST = 2_000

/**
 * The slowest statements of a pool, one for each text, without values. Once 20 texts are known, a
 * statement that is quicker than all of them costs one comparison; before that, a look-up.
 */
export class SlowTexts {
  // Made at the first statement: an idle pool must cost next to nothing.
  #slowest: Map<string, { ms: number; at: number }> | undefined
  #threshold = -1

  /** A statement with this text took `ms`, and ended at `at` of the pool's clock. */
  took(text: string, ms: number, at: number): void {
    if (ms <= this.#threshold) return
    // A slice alone would keep the whole text.
    const kept = text.length > LONGEST ? ` ${text.slice(0, LONGEST)}`.slice(1) : text
    this.#slowest ??= new Map()
    const slowest = this.#slowest
    const known = slowest.get(kept)
    if (known === undefined) {
      if (slowest.size === MOST) slowest.delete(this.#least(at))
      slowest.set(kept, { ms, at })
    } else if (ms >= known.ms || at - known.at >= KEPT_MS) {
      known.ms = ms
      known.at = at
    } else return
    this.#threshold = slowest.size < MOST ? -1 : slowest.get(this.#least(at))!.ms
  }

  /** Those of the last ten minutes, the slowest first, as they may be shown. */
  snapshot(now: number, hidesStrings: boolean): readonly SlowStatement[] {
    const slowest = this.#slowest ?? new Map()
    for (const [text, { at }] of slowest) if (now - at >= KEPT_MS) slowest.delete(text)
    if (slowest.size < MOST) this.#threshold = -1
    return Object.freeze(
      [...slowest]
        .sort(([, one], [, other]) => other.ms - one.ms)
        .map(([text, { ms, at }]) => {
          // Of a part it is not known whether the rest would show a secret.
          const statement = shownText(text, hidesStrings || text.length === LONGEST)
          return Object.freeze({ statement, ms, agoMs: Math.max(0, now - at) })
        }),
    )
  }

  /** The text that is the next to go: one that is too old, or the quickest. */
  #least(now: number): string {
    let least = ''
    let leastMs = Number.POSITIVE_INFINITY
    for (const [text, { ms, at }] of this.#slowest!) {
      const counted = now - at >= KEPT_MS ? -1 : ms
      if (counted < leastMs) {
        least = text
        leastMs = counted
      }
    }
    return least
  }
}
