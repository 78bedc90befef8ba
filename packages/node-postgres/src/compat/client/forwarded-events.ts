import type { EventEmitter } from 'node:events'
import type { Lease } from '@poolhouse/core'
import type { RawClient } from './raw-work.js'

const OF_RAW = ['notice', 'notification'] as const
const OF_LOSS: ReadonlySet<string | symbol> = new Set(['error', 'end'])

/**
 * Hands on what happens on the session that a client is bound to, from one binding to the next: as
 * long as the client has listeners for it, because listening to the raw client has its session
 * reset afterwards.
 */
export class ForwardedEvents {
  readonly #client: EventEmitter
  readonly #lost: (reason: unknown) => void
  #lease: Lease | undefined
  #raw: RawClient | undefined
  #watched: AbortSignal | undefined

  /** Emits on `client`; `lost` is told when the session ends by itself. */
  constructor(client: EventEmitter, lost: (reason: unknown) => void) {
    this.#client = client
    this.#lost = lost
  }

  /** Whether what a session sends beside its answers has a listener. */
  get wantsMessages(): boolean {
    return (
      this.#client.listenerCount('notice') > 0 || this.#client.listenerCount('notification') > 0
    )
  }

  /** The client is bound to the session of this lease. */
  bind(lease: Lease): void {
    this.#lease = lease
    if (this.wantsMessages) this.#hear(lease)
    if (this.#client.listenerCount('error') > 0 || this.#client.listenerCount('end') > 0) {
      this.#watch(lease)
    }
  }

  /** The client has got a listener for this event. */
  listened(event: string | symbol): void {
    const lease = this.#lease
    if (lease === undefined) return
    if (event === 'notice' || event === 'notification') this.#hear(lease)
    else if (OF_LOSS.has(event)) this.#watch(lease)
  }

  /** The client is bound to no session any more. */
  unbind(): void {
    this.#lease = undefined
    this.#watched?.removeEventListener('abort', this.#abort)
    this.#watched = undefined
    if (this.#raw === undefined) return
    this.#raw.off('notice', this.#notice)
    this.#raw.off('notification', this.#notification)
    this.#raw = undefined
  }

  /** The session that the client was bound to is over, and with it the binding. */
  lose(reason: unknown): void {
    const isWatched = this.#watched !== undefined
    this.unbind()
    if (isWatched) this.#lost(reason)
  }

  #hear(lease: Lease): void {
    if (this.#raw !== undefined || lease.signal.aborted) return
    const raw = lease.raw as RawClient
    this.#raw = raw
    for (const event of OF_RAW) {
      raw.on(event, event === 'notice' ? this.#notice : this.#notification)
    }
  }

  #watch({ signal }: Lease): void {
    if (this.#watched !== undefined) return
    this.#watched = signal
    if (signal.aborted) queueMicrotask(this.#abort)
    else signal.addEventListener('abort', this.#abort)
  }

  readonly #notice = (message: unknown): void => {
    this.#client.emit('notice', message)
  }

  readonly #notification = (message: unknown): void => {
    this.#client.emit('notification', message)
  }

  readonly #abort = (): void => {
    const signal = this.#watched
    if (signal !== undefined) this.lose(signal.reason)
  }
}
