import type { ConnectionPool, EventHub, PoolEventName, PoolListener } from '@poolhouse/core'

// Everything else is told by the failover pool itself.
const RELAYED: ReadonlySet<PoolEventName> = new Set<PoolEventName>([
  'connect',
  'acquire',
  'release',
  'destroy',
  'leak',
  'overload',
  'error',
])

/** Passes the events of the nodes' pools on, and listens to them only while somebody wants them: events nobody hears are free. */
export class EventRelay {
  readonly #pools: readonly ConnectionPool[]
  readonly #hub: EventHub
  // Values are listeners of the event that is their key; the map cannot say so.
  readonly #active = new Map<PoolEventName, PoolListener<PoolEventName>>()

  /** Relays nothing yet. */
  constructor(pools: readonly ConnectionPool[], hub: EventHub) {
    this.#pools = pools
    this.#hub = hub
  }

  /** Begins or ends the relay of one event, depending on whether anybody listens. Call it after each `on` and `off`. */
  update(name: PoolEventName): void {
    if (!RELAYED.has(name)) return
    const relay = this.#active.get(name)
    if (this.#hub.has(name) === (relay !== undefined)) return
    if (relay === undefined) this.#begin(name)
    else this.#end(name, relay)
  }

  /** Ends every relay. */
  stop(): void {
    for (const [name, relay] of this.#active) this.#end(name, relay)
  }

  #begin<Name extends PoolEventName>(name: Name): void {
    const relay: PoolListener<Name> = (event) => this.#hub.emit(name, event)
    this.#active.set(name, relay as PoolListener<PoolEventName>)
    for (const pool of this.#pools) pool.on(name, relay)
  }

  #end(name: PoolEventName, relay: PoolListener<PoolEventName>): void {
    this.#active.delete(name)
    for (const pool of this.#pools) pool.off(name, relay)
  }
}
