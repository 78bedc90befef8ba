import type { Driven } from '../api/driver-of.js'
import type { CloseOptions, Pool } from '../api/pool.js'
import type { PoolStats } from '../api/stats.js'
import { readCloseOptions } from '../engine/pool-closing.js'
import { PoolClosedError } from '../outcome/errors.js'
import { RelayingPool } from './relaying-pool.js'

/**
 * A view of a pool, with the statistics and events of the whole. Closing it closes nothing else.
 */
export abstract class PoolView<Whole extends Pool = Pool> extends RelayingPool implements Driven {
  readonly name: string
  /** The pool that it is a view of. */
  protected readonly whole: Whole
  #closed = false

  /** `name` is for messages and events. */
  constructor(name: string, whole: Whole) {
    super()
    this.name = name
    this.whole = whole
  }

  /** See `Driven`: the whole. */
  get drivenBy(): Iterable<Pool> {
    return [this.whole]
  }

  /** See `Driven`: the whole. */
  get connectsWith(): Pool {
    return this.whole
  }

  /** See `Pool`: those of the whole. */
  stats(): PoolStats {
    return this.whole.stats()
  }

  /** The whole. */
  protected override keeperOf(): Whole {
    return this.whole
  }

  /** Closes the view; later calls are refused. */
  async close(options: CloseOptions = {}): Promise<void> {
    readCloseOptions(options)
    this.#closed = true
  }

  /** Throws `PoolClosedError` once the view is closed. */
  protected checkOpen(): void {
    if (this.#closed) throw new PoolClosedError(this.name)
  }
}
