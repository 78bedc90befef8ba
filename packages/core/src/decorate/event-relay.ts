import type {
  EventHub,
  PoolEvent,
  PoolEventEmitter,
  PoolEventName,
  PoolListener,
} from '../api/events.js'
import { CALLS } from '../watch/call-watcher.js'

/** What tells of events: a pool, or a relay of several. */
export type EventSource = Pick<PoolEventEmitter | EventRelay, 'on' | 'off'>

/**
 * The listeners of a pool that is made of other pools: its own events come from its hub, theirs are
 * passed on. The other pools are listened to only while their events have listeners, because an
 * event without listeners is free.
 */
export class EventRelay {
  readonly #hub: EventHub
  readonly #sources: Set<EventSource>
  readonly #relayed: ReadonlySet<PoolEventName> | undefined
  readonly #about: object | undefined
  // Values are listeners of the event that is their key; the map cannot say so.
  readonly #forwarders = new Map<PoolEventName, PoolListener<never>>()
  // Watchers of calls, which are told by the other pools themselves.
  readonly #watchers = new Set<PoolListener<never>>()

  /**
   * Relays the events of these pools, each once; only those named in `relayed`, if it is given.
   * `about` is added to each.
   */
  constructor(
    hub: EventHub,
    sources: Iterable<EventSource>,
    relayed?: ReadonlySet<PoolEventName>,
    about?: Pick<PoolEvent, 'tenant'>,
  ) {
    this.#hub = hub
    this.#sources = new Set(sources)
    this.#relayed = relayed
    this.#about = about
  }

  /** Relays the events of one more pool; one that is relayed already stays as it is. */
  add(source: EventSource): void {
    if (this.#sources.has(source)) return
    this.#sources.add(source)
    for (const [name, forward] of this.#forwarders)
      source.on(name, forward as PoolListener<typeof name>)
    for (const watcher of this.#watchers) source.on(CALLS as never, watcher as never)
  }

  /** Relays the events of a pool no more. */
  remove(source: EventSource): void {
    if (!this.#sources.delete(source)) return
    for (const [name, forward] of this.#forwarders)
      source.off(name, forward as PoolListener<typeof name>)
    for (const watcher of this.#watchers) source.off(CALLS as never, watcher as never)
  }

  /** Adds a listener. Throws `TypeError` for an unknown event name. */
  on<Name extends PoolEventName>(name: Name, listener: PoolListener<Name>): void {
    this.#hub.on(name, listener)
    if ((name as unknown) === CALLS) {
      this.#watchers.add(listener)
      for (const source of this.#sources) source.on(name, listener)
      return
    }
    if (this.#forwarders.has(name) || this.#relayed?.has(name) === false) return
    const about = this.#about
    const forward: PoolListener<Name> = (event) =>
      this.#hub.emit(name, about === undefined ? event : { ...event, ...about })
    this.#forwarders.set(name, forward as PoolListener<never>)
    for (const source of this.#sources) source.on(name, forward)
  }

  /** Removes a listener. */
  off<Name extends PoolEventName>(name: Name, listener: PoolListener<Name>): void {
    this.#hub.off(name, listener)
    if ((name as unknown) === CALLS) {
      this.#watchers.delete(listener)
      for (const source of this.#sources) source.off(name, listener)
      return
    }
    if (!this.#hub.has(name)) this.#end(name)
  }

  /** Passes nothing on any more. */
  stop(): void {
    for (const name of [...this.#forwarders.keys()]) this.#end(name)
    for (const watcher of [...this.#watchers]) this.off(CALLS as never, watcher)
  }

  #end(name: PoolEventName): void {
    const forward = this.#forwarders.get(name)
    if (forward === undefined) return
    this.#forwarders.delete(name)
    for (const source of this.#sources) source.off(name, forward as PoolListener<typeof name>)
  }
}
