import type { ClockTimer, ConnectionPool } from '@poolhouse/core'
import type { FailoverConfig } from '../options/failover-options.js'
import type { HoldQueue } from './hold-queue.js'

// Many processes may wait for one server and must not all send everything they hold at once. With
// doubling every 50 ms, the queue of a pool with ten warm connections is empty after half a second
// at most, and a cold pool opens its first ten connections in 0.2 s.
const STEP_MS = 50

/**
 * Releases held calls gradually to a server that has just become primary: first as many as it has
 * warm connections, at least one, then twice as many at each step. New calls queue behind them.
 */
export class SlowStart {
  readonly #config: Pick<FailoverConfig, 'clock' | 'random'>
  readonly #queue: HoldQueue
  readonly #finished: () => void
  #pool: ConnectionPool | undefined
  #timer: ClockTimer | undefined
  #batch = 0

  /** Does nothing before `begin`. `finished` is called when the queue is empty. */
  constructor(
    config: Pick<FailoverConfig, 'clock' | 'random'>,
    queue: HoldQueue,
    finished: () => void,
  ) {
    this.#config = config
    this.#queue = queue
    this.#finished = finished
  }

  /** The pool to which calls are being released; undefined if none are. */
  get pool(): ConnectionPool | undefined {
    return this.#pool
  }

  /** Begins to release calls to this pool, unless that is under way already. */
  begin(pool: ConnectionPool, reason: string): void {
    if (this.#pool === pool) return
    this.stop()
    this.#pool = pool
    this.#batch = Math.max(1, pool.stats().idle)
    this.#step(reason)
  }

  /** Stops releasing calls. Those that are held stay held. */
  stop(): void {
    this.#timer?.cancel()
    this.#pool = undefined
  }

  #step(reason: string): void {
    this.#queue.release(this.#pool!, reason, this.#batch)
    if (this.#queue.size === 0) {
      this.#pool = undefined
      this.#finished()
      return
    }
    this.#batch *= 2
    const { clock, random } = this.#config
    this.#timer = clock.setTimer(() => this.#step(reason), STEP_MS * (0.5 + random()))
  }
}
