import type { ConnectionPool } from '@poolhouse/core'
import type { ChannelListener, PoolCall } from '@poolhouse/core/kit'
import { BasicCall, type Call, type CallLimits } from './call.js'

/**
 * `listen`: the caller gets a subscription, whose session follows the primary by itself. Only the
 * first LISTEN is a call that is held and sent again.
 */
export class ListenCall<R> extends BasicCall<CallLimits> implements Call<R> {
  readonly #channels: ChannelListener
  readonly #call: Extract<PoolCall<R>, { kind: 'listen' }>

  /** Takes a call of the decorator, and what holds the subscriptions. */
  constructor(
    call: Extract<PoolCall<R>, { kind: 'listen' }>,
    channels: ChannelListener,
    startedAt: number,
  ) {
    super({ timeoutMs: call.timeoutMs, signal: call.signal }, startedAt)
    this.#call = call
    this.#channels = channels
  }

  override get isListening(): boolean {
    return true
  }

  send(_pool: ConnectionPool, timeoutMs: number | undefined, waitMs?: number): Promise<R> {
    return this.#call.run(this.#channels, { timeoutMs: timeoutMs ?? waitMs })
  }
}
