import type { Clock, ClockTimer, ConnectionPool } from '@poolhouse/core'
import type { HoldQueue } from './hold-queue.js'

// Twenty processes that wait for one server must not all fall upon it with all they have in one
// instant. Doubling every 50 ms the queue of a pool with ten warm connections is through in half a
// second at most, and a cold pool opens its first ten in 0.2 s.
const STEP_MS = 50

/** What a slow start needs. */
export interface SlowStartOptions {
  readonly clock: Clock
  readonly random: () => number
  readonly queue: HoldQueue
  /** The queue is empty: calls need not queue any more. */
  readonly finished: () => void
}

/**
 * Lets held calls go to a server that has just come (back): at first as many as it has warm
 * connections, one if it has none, then twice as many at each step. Calls that come meanwhile queue
 * behind them.
 */
export class SlowStart {
  readonly #options: SlowStartOptions
  #pool: ConnectionPool | undefined
  #timer: ClockTimer | undefined
  #batch = 0

  /** Waits for `begin`. */
  constructor(options: SlowStartOptions) {
    this.#options = options
  }

  /** Where the calls are let go to; undefined if none are. */
  get pool(): ConnectionPool | undefined {
    return this.#pool
  }

  /** Begins, unless it has begun for this pool already. */
  begin(pool: ConnectionPool, reason: string): void {
    if (this.#pool === pool) return
    this.stop()
    this.#pool = pool
    this.#batch = Math.max(1, pool.stats().idle)
    this.#step(reason)
  }

  /** Ends it; what is held stays held. */
  stop(): void {
    this.#timer?.cancel()
    this.#pool = undefined
  }

  #step(reason: string): void {
    const { clock, random, queue, finished } = this.#options
    queue.release(this.#pool!, reason, this.#batch)
    if (queue.size === 0) {
      this.#pool = undefined
      finished()
      return
    }
    this.#batch *= 2
    this.#timer = clock.setTimer(() => this.#step(reason), STEP_MS * (0.5 + random()))
  }
}
