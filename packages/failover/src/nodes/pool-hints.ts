import type { Clock, ConnectionPool, PoolListener } from '@poolhouse/core'
import { isSign } from '../base/fate.js'

// A pool that opens a connection for each statement destroys one for each: four looks a second are
// enough.
const LEAST_BETWEEN_MS = 250

/**
 * Listens to the pools of the nodes for connections that vanish or cannot be opened. Such an event
 * is a hint, not a proof. What a server refuses to one role, database or tenant is no hint.
 */
export class PoolSigns {
  readonly #heard = new Map<ConnectionPool, PoolListener<'destroy'> & PoolListener<'error'>>()
  readonly #clock: Clock
  readonly #onSign: (node: string) => void

  /** Listens to no pool before `add`. */
  constructor(clock: Clock, onSign: (node: string) => void) {
    this.#clock = clock
    this.#onSign = onSign
  }

  /**
   * Listens to a pool. Its name is the node's, whatever the pools call themselves that it is made
   * of.
   */
  add(pool: ConnectionPool): void {
    this.remove(pool)
    let lastAt = Number.NEGATIVE_INFINITY
    const heard = (event: object): void => {
      if ('error' in event && !isSign(event.error)) return
      const now = this.#clock.now()
      if (now - lastAt < LEAST_BETWEEN_MS) return
      lastAt = now
      this.#onSign(pool.name)
    }
    this.#heard.set(pool, heard)
    pool.on('destroy', heard).on('error', heard)
  }

  /** Stops listening to a pool. */
  remove(pool: ConnectionPool): void {
    const heard = this.#heard.get(pool)
    if (heard === undefined) return
    this.#heard.delete(pool)
    pool.off('destroy', heard).off('error', heard)
  }

  /** Stops listening. */
  stop(): void {
    for (const pool of [...this.#heard.keys()]) this.remove(pool)
  }
}
