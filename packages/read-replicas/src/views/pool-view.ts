import {
  type CloseOptions,
  type Pool,
  PoolClosedError,
  type PoolEventName,
  type PoolListener,
  type PoolStats,
} from '@poolhouse/core'
import { PoolDecorator, readCloseOptions } from '@poolhouse/core/kit'

/**
 * A view on a pool, with the statistics and events of the whole. Closing it closes nothing else.
 */
export abstract class PoolView extends PoolDecorator {
  readonly name: string
  /** The pool that it is a view of. */
  protected readonly whole: Pool
  #closed = false

  /** Makes the view. */
  constructor(name: string, whole: Pool) {
    super()
    this.name = name
    this.whole = whole
  }

  stats(): PoolStats {
    return this.whole.stats()
  }

  on<Name extends PoolEventName>(event: Name, listener: PoolListener<Name>): this {
    this.whole.on(event, listener)
    return this
  }

  off<Name extends PoolEventName>(event: Name, listener: PoolListener<Name>): this {
    this.whole.off(event, listener)
    return this
  }

  async close(options: CloseOptions = {}): Promise<void> {
    readCloseOptions(options)
    this.#closed = true
  }

  /** Throws `PoolClosedError` once the view is closed. */
  protected checkOpen(): void {
    if (this.#closed) throw new PoolClosedError(this.name)
  }
}
