import type { ConnectionPool } from '@poolhouse/core'
import type { PoolCall } from '@poolhouse/core/kit'
import { BasicCall, type Call, type CallLimits } from './call.js'

/** `acquire`: the caller gets a lease. */
export class AcquireCall<R> extends BasicCall<CallLimits> implements Call<R> {
  readonly #call: Extract<PoolCall<R>, { kind: 'acquire' }>

  /** Takes a call of the decorator. */
  constructor(call: Extract<PoolCall<R>, { kind: 'acquire' }>, startedAt: number) {
    super({ timeoutMs: call.timeoutMs, signal: call.signal }, startedAt)
    this.#call = call
  }

  send(pool: ConnectionPool, timeoutMs: number | undefined, waitMs?: number): Promise<R> {
    return this.#call.run(pool, { timeoutMs: timeoutMs ?? waitMs })
  }
}
