import type { BudgetedPool } from '../api/connection-budget.js'
import type { PoolerInEffect } from '../api/pooler.js'
import { type ServerInUse, serversInUse } from '../server/server-sightings.js'
import type { Endpoint } from '../settings/endpoint.js'
import { countStaying } from '../slot/count-slots.js'
import type { Slot } from '../slot/slot.js'
import type { EngineView } from './engine-view.js'

/** One pool as the budget of its server sees it. A pool that moves joins anew, as another one. */
export class BudgetMember implements BudgetedPool {
  readonly endpoint: Endpoint
  readonly #engine: EngineView

  /** Speaks for this engine at the budget of this server. */
  constructor(engine: EngineView, endpoint: Endpoint) {
    this.#engine = engine
    this.endpoint = endpoint
  }

  get name(): string {
    return this.#engine.name
  }

  get pooler(): PoolerInEffect | undefined {
    return this.#engine.pooler
  }

  servers(): readonly ServerInUse[] {
    return serversInUse([...this.#engine.slots].map(({ server }) => server))
  }

  wanted(): number {
    const { arrivals, config, slots } = this.#engine
    return Math.max(0, Math.min(arrivals.wanted(), config.max - slots.size))
  }

  idleSince(): number | undefined {
    return this.#spare()?.idleSince
  }

  giveUpIdle(reason: string): boolean {
    const slot = this.#spare()
    if (slot !== undefined) this.#engine.departures.retire(slot, reason)
    return slot !== undefined
  }

  grow(): void {
    this.#engine.growth.step(this.#engine.now())
  }

  /** The connection that others may have: the longest idle one, while more than `min` stay. */
  #spare(): Slot | undefined {
    const { slots, config, handoff } = this.#engine
    return countStaying(slots) > config.min ? handoff.longestIdle : undefined
  }
}
