import type { Clock, Pool } from '@poolhouse/core'
import { primaryPoolOf } from '../nodes/membership.js'

// Pools are resized and primaries change, but too rarely to read the statistics for each read.
const KEPT_MS = 1_000

/** How many connections of the primary reads may hold at once: a share of its pool's `max`. */
export class PrimaryLimit {
  readonly #primary: Pool
  readonly #share: number
  readonly #clock: Clock
  #limit = 0
  #pool: Pool | undefined
  #readAt = 0

  /** `share` is from 0 to 1. */
  constructor(primary: Pool, share: number, clock: Clock) {
    this.#primary = primary
    this.#share = share
    this.#clock = clock
  }

  /** The limit now: the share rounded down, at least 1 unless the share is 0. */
  current(): number {
    if (this.#share === 0) return 0
    const now = this.#clock.now()
    const pool = primaryPoolOf(this.#primary)
    if (pool !== this.#pool || now - this.#readAt >= KEPT_MS) {
      this.#pool = pool
      this.#readAt = now
      this.#limit = Math.max(1, Math.floor(this.#share * pool.stats().max))
    }
    return this.#limit
  }
}
