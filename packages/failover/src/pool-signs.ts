import type { Clock, ConnectionPool, PoolEvents } from '@poolhouse/core'

// A pool that opens a connection for each statement destroys one for each: four looks a second are enough.
const LEAST_BETWEEN_MS = 250

/** Listens to the pools of the nodes for connections that vanish or cannot be opened. Such an event is a hint, not a proof. */
export class PoolSigns {
  readonly #pools: readonly ConnectionPool[]
  readonly #clock: Clock
  readonly #onSign: (node: string) => void
  readonly #lastAt = new Map<string, number>()

  /** Listens until `stop`. */
  constructor(pools: readonly ConnectionPool[], clock: Clock, onSign: (node: string) => void) {
    this.#pools = pools
    this.#clock = clock
    this.#onSign = onSign
    for (const pool of pools) pool.on('destroy', this.#heard).on('error', this.#heard)
  }

  /** Stops listening. */
  stop(): void {
    for (const pool of this.#pools) pool.off('destroy', this.#heard).off('error', this.#heard)
  }

  readonly #heard = (event: PoolEvents['destroy'] | PoolEvents['error']): void => {
    const now = this.#clock.now()
    if (now - (this.#lastAt.get(event.pool) ?? Number.NEGATIVE_INFINITY) < LEAST_BETWEEN_MS) return
    this.#lastAt.set(event.pool, now)
    this.#onSign(event.pool)
  }
}
