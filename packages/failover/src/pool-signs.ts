import type { Clock, ConnectionPool, PoolEvents } from '@poolhouse/core'

// A pool that opens a connection for each statement destroys one for each: four looks a second are enough.
const LEAST_BETWEEN_MS = 250

/** Listens to the pools of the nodes for connections that vanish or cannot be opened. Such an event is a hint, not a proof. */
export class PoolSigns {
  readonly #pools = new Set<ConnectionPool>()
  readonly #clock: Clock
  readonly #onSign: (node: string) => void
  readonly #lastAt = new Map<string, number>()

  /** Listens to nobody before `add`. */
  constructor(clock: Clock, onSign: (node: string) => void) {
    this.#clock = clock
    this.#onSign = onSign
  }

  /** Listens to a pool. */
  add(pool: ConnectionPool): void {
    this.#pools.add(pool)
    pool.on('destroy', this.#heard).on('error', this.#heard)
  }

  /** Stops listening to a pool. */
  remove(pool: ConnectionPool): void {
    this.#pools.delete(pool)
    this.#lastAt.delete(pool.name)
    pool.off('destroy', this.#heard).off('error', this.#heard)
  }

  /** Stops listening. */
  stop(): void {
    for (const pool of [...this.#pools]) this.remove(pool)
  }

  readonly #heard = (event: PoolEvents['destroy'] | PoolEvents['error']): void => {
    const now = this.#clock.now()
    if (now - (this.#lastAt.get(event.pool) ?? Number.NEGATIVE_INFINITY) < LEAST_BETWEEN_MS) return
    this.#lastAt.set(event.pool, now)
    this.#onSign(event.pool)
  }
}
