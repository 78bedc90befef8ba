import type { AcquireOptions, ConnectionPool, Lease } from '@poolhouse/core'
import { leasedCopyFrom, leasedCopyTo, leasedRows, type PoolCall } from '@poolhouse/core/kit'
import { BasicCall, type Call, type CallLimits, type Decision } from './call.js'

/** `stream`, `copyTo` or `copyFrom`. */
type StreamingCall<R> = Extract<PoolCall<R>, { kind: 'stream' | 'copyTo' | 'copyFrom' }>

/**
 * A stream up to its first element, or a copy. The caller has got nothing before that, so work that
 * was not sent, or was refused, may be sent again; but not a `copyFrom` that may have read from its
 * source.
 */
export class StreamCall<R> extends BasicCall<CallLimits> implements Call<R> {
  readonly #call: StreamingCall<R>
  readonly #now: () => number
  #mayHaveRead = false

  /** Takes a call of the decorator. `now` tells the client time. */
  constructor(call: StreamingCall<R>, now: () => number, startedAt: number) {
    super({ timeoutMs: call.timeoutMs, signal: call.signal }, startedAt)
    this.#call = call
    this.#now = now
  }

  send(pool: ConnectionPool, timeoutMs: number | undefined, waitMs?: number): Promise<R> {
    const call = this.#call
    const now = this.#now
    // What is left of the time to wait is only for getting a connection.
    const lend = (wait: AcquireOptions): Promise<Lease> =>
      pool.acquire({ ...wait, timeoutMs: wait.timeoutMs ?? waitMs })
    const left = { timeoutMs }
    switch (call.kind) {
      case 'stream':
        return call.run({
          stream: (statement, options) => leasedRows(lend, statement, options),
        })
      case 'copyTo':
        return call.run({ copyTo: (sql, options) => leasedCopyTo(now, lend, sql, options) }, left)
      case 'copyFrom':
        return call.run(
          {
            copyFrom: (sql, source, options) =>
              leasedCopyFrom(now, (wait) => this.#lendToRead(lend, wait), sql, source, options),
          },
          left,
        )
    }
  }

  override decide(error: unknown, pool: ConnectionPool): Decision {
    return this.#mayHaveRead ? { kind: 'surface', error } : super.decide(error, pool)
  }

  async #lendToRead(
    lend: (wait: AcquireOptions) => Promise<Lease>,
    wait: AcquireOptions,
  ): Promise<Lease> {
    const lease = await lend(wait)
    this.#mayHaveRead = true
    return lease
  }
}
