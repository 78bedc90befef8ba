import type { AcquireOptions, ConnectionPool, Lease } from '@poolhouse/core'
import { BasicCall, type Call, type Decision } from './call.js'

/** `use`: a callback with a lease. Once it has begun it is never run again. */
export class UseCall<R> extends BasicCall<AcquireOptions> implements Call<R> {
  readonly #work: (lease: Lease) => Promise<R>
  #hasBegun = false

  /** Takes checked arguments. */
  constructor(
    work: (lease: Lease) => Promise<R>,
    options: AcquireOptions | undefined,
    startedAt: number,
  ) {
    super(options, startedAt)
    this.#work = work
  }

  send(pool: ConnectionPool, timeoutMs: number | undefined, waitMs?: number): Promise<R> {
    return pool.use(
      (lease) => {
        this.#hasBegun = true
        return this.#work(lease)
      },
      { ...this.options, timeoutMs: timeoutMs ?? waitMs },
    )
  }

  override decide(error: unknown, pool: ConnectionPool): Decision {
    return this.#hasBegun ? { kind: 'surface', error } : super.decide(error, pool)
  }
}
