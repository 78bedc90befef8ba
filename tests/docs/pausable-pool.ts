import {
  AbortError,
  type CloseOptions,
  type Pool,
  PoolClosedError,
  type PoolEventName,
  type PoolListener,
  type PoolStats,
} from '@poolhouse/core'
import { type PoolCall, PoolDecorator } from '@poolhouse/core/kit'

/** A pool that keeps calls back while it is paused, for instance while a schema changes. */
export class PausablePool extends PoolDecorator {
  readonly name: string
  readonly #pool: Pool
  readonly #waiting = new Set<() => void>()
  #paused = false
  #closed = false

  constructor(pool: Pool) {
    super()
    this.#pool = pool
    this.name = `${pool.name}/pausable`
  }

  pause(): void {
    this.#paused = true
  }

  resume(): void {
    this.#paused = false
    for (const goOn of this.#waiting) goOn()
  }

  protected async send<R>(call: PoolCall<R>): Promise<R> {
    const startedAt = performance.now()
    while (this.#paused && !this.#closed) await this.#turn(call)
    if (this.#closed) throw new PoolClosedError(this.name)
    const { timeoutMs } = call
    if (timeoutMs === undefined) return await call.run(this.#pool)
    // The limit of the call counts the time that it waited here.
    const leftMs = timeoutMs - (performance.now() - startedAt)
    return await call.run(this.#pool, { timeoutMs: Math.max(1, leftMs) })
  }

  /** Until something changes, the call is no longer wanted, or its time is up. */
  #turn({ signal, timeoutMs }: PoolCall<unknown>): Promise<void> {
    return new Promise((resolve, reject) => {
      const end = (settle: () => void) => (): void => {
        this.#waiting.delete(goOn)
        signal?.removeEventListener('abort', abort)
        clearTimeout(timer)
        settle()
      }
      const goOn = end(resolve)
      // `executed: 'no'` says that nothing was sent: the call may be made again.
      const abort = end(() => reject(new AbortError(signal?.reason, 'no')))
      const late = end(() => reject(new AbortError('paused for longer than timeoutMs', 'no')))
      const timer = timeoutMs === undefined ? undefined : setTimeout(late, timeoutMs)
      this.#waiting.add(goOn)
      if (signal?.aborted === true) abort()
      else signal?.addEventListener('abort', abort)
    })
  }

  stats(): PoolStats {
    const stats = this.#pool.stats()
    return { ...stats, pending: stats.pending + this.#waiting.size }
  }

  on<Name extends PoolEventName>(event: Name, listener: PoolListener<Name>): this {
    this.#pool.on(event, listener)
    return this
  }

  off<Name extends PoolEventName>(event: Name, listener: PoolListener<Name>): this {
    this.#pool.off(event, listener)
    return this
  }

  async close(options?: CloseOptions): Promise<void> {
    this.#closed = true
    for (const goOn of this.#waiting) goOn()
    await this.#pool.close(options)
  }
}
