import type { EventHub, Pool, PoolEventName, PoolListener } from '@poolhouse/core'

/** Hands the events of several pools on to the listeners of one. A pool is listened to only while somebody wants its events. */
export class EventRelay {
  readonly #hub: EventHub
  readonly #sources: Set<Pool>
  readonly #forwarders = new Map<PoolEventName, PoolListener<never>>()

  /** Relays the events of these pools, each once. */
  constructor(hub: EventHub, sources: Iterable<Pool>) {
    this.#hub = hub
    this.#sources = new Set(sources)
  }

  /** Adds a listener. Throws `TypeError` for an unknown event name. */
  on<Name extends PoolEventName>(name: Name, listener: PoolListener<Name>): void {
    this.#hub.on(name, listener)
    if (this.#forwarders.has(name)) return
    const forward: PoolListener<Name> = (event) => this.#hub.emit(name, event)
    this.#forwarders.set(name, forward as PoolListener<never>)
    for (const source of this.#sources) source.on(name, forward)
  }

  /** Removes a listener. */
  off<Name extends PoolEventName>(name: Name, listener: PoolListener<Name>): void {
    this.#hub.off(name, listener)
    const forward = this.#forwarders.get(name)
    if (forward === undefined || this.#hub.has(name)) return
    this.#forwarders.delete(name)
    for (const source of this.#sources) source.off(name, forward as PoolListener<Name>)
  }
}
