import type { Clock, ConnectionPool, PoolListener } from '@poolhouse/core'
import { isHint } from '../base/fate.js'

// A pool that opens a connection for each statement also destroys one for each. Four probes a
// second are enough.
const LEAST_BETWEEN_MS = 250

/**
 * Listens to the pools of the nodes for connections that vanish or cannot be opened. Such an event
 * is a hint, not a proof. What a server refuses to one role, database or tenant is no hint.
 */
export class PoolHints {
  readonly #listeners = new Map<ConnectionPool, PoolListener<'destroy'> & PoolListener<'error'>>()
  readonly #clock: Clock
  readonly #onHint: (node: string) => void

  /** Listens to no pool before `add`. */
  constructor(clock: Clock, onHint: (node: string) => void) {
    this.#clock = clock
    this.#onHint = onHint
  }

  /**
   * Starts to listen to a pool. Hints carry the pool's name, even if its events come from pools
   * under it that have other names.
   */
  add(pool: ConnectionPool): void {
    this.remove(pool)
    let lastAt = Number.NEGATIVE_INFINITY
    const listener = (event: object): void => {
      if ('error' in event && !isHint(event.error)) return
      const now = this.#clock.now()
      if (now - lastAt < LEAST_BETWEEN_MS) return
      lastAt = now
      this.#onHint(pool.name)
    }
    this.#listeners.set(pool, listener)
    pool.on('destroy', listener).on('error', listener)
  }

  /** Stops listening to a pool. */
  remove(pool: ConnectionPool): void {
    const listener = this.#listeners.get(pool)
    if (listener === undefined) return
    this.#listeners.delete(pool)
    pool.off('destroy', listener).off('error', listener)
  }

  /** Stops listening to every pool. */
  stop(): void {
    for (const pool of [...this.#listeners.keys()]) this.remove(pool)
  }
}
