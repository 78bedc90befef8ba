import type { PoolEventName, PoolListener } from '../api/events.js'
import type { EventSource } from './event-relay.js'
import { PoolDecorator } from './pool-decorator.js'

/** A pool over other pools whose listeners are kept elsewhere. */
export abstract class RelayingPool extends PoolDecorator {
  /** Who keeps the listeners of this event. */
  protected abstract keeperOf(event: PoolEventName): EventSource

  /** See `PoolEventEmitter`. */
  on<Name extends PoolEventName>(event: Name, listener: PoolListener<Name>): this {
    this.keeperOf(event).on(event, listener)
    return this
  }

  /** See `PoolEventEmitter`. */
  off<Name extends PoolEventName>(event: Name, listener: PoolListener<Name>): this {
    this.keeperOf(event).off(event, listener)
    return this
  }
}
