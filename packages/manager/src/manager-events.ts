import type { PoolEventName, PoolListener } from '@poolhouse/core'
import { CONNECTION_EVENTS, EventHub, EventRelay, SERVER_EVENTS } from '@poolhouse/core/kit'

const OF_CALLS: ReadonlySet<PoolEventName> = new Set([...CONNECTION_EVENTS, 'in-doubt'])

/** The listeners of a manager, which hear the events of all its pools. */
export class ManagerEvents {
  readonly #hub = new EventHub()
  /** Passes on events about connections and calls: one source for each database and tenant. */
  readonly connections: EventRelay = new EventRelay(this.#hub, [], OF_CALLS)
  /**
   * Passes on events about servers: one source for each group of servers, or databases that share a
   * group would each tell the same.
   */
  readonly servers: EventRelay = new EventRelay(this.#hub, [], SERVER_EVENTS)

  /** Adds a listener. Throws `TypeError` for an unknown event name. */
  on<Name extends PoolEventName>(event: Name, listener: PoolListener<Name>): void {
    this.connections.on(event, listener)
    this.servers.on(event, listener)
  }

  /** Removes a listener. */
  off<Name extends PoolEventName>(event: Name, listener: PoolListener<Name>): void {
    this.connections.off(event, listener)
    this.servers.off(event, listener)
  }

  /** Passes nothing on any more. */
  stop(): void {
    this.connections.stop()
    this.servers.stop()
  }
}
