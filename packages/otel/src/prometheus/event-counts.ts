import type { PoolEventName, TopologySnapshot } from '@poolhouse/core'
import type { Observable } from '@poolhouse/core/kit'
import { tenantName } from './tenant-name.js'

/** The events that are only counted. */
export const COUNTED_EVENTS: readonly PoolEventName[] = [
  'overload',
  'deadlock',
  'fenced',
  'split-brain',
  'foreign',
  'diverged',
  'ejected',
  'admitted',
  'durability',
  'token',
  'in-doubt',
]

/** What has become of the holds of one pool. */
export interface Holds {
  /** Whether calls are held now. */
  holding: boolean
  /** Holds that are over. */
  count: number
  /** How long these took together, in milliseconds. */
  sumMs: number
  /** Calls that were held in them. */
  calls: number
}

// Pools of tenants come and go, and a series once told stays for ever.
const MOST_POOLS = 100
/** The name under which the events of all pools are counted that have no name of their own here. */
const FURTHER = ''

/**
 * Counts what the statistics of pools do not, from the events of an observable. `leak` and `error`
 * are left out, because a listener would take the place of the process warnings.
 */
export class EventCounts {
  /**
   * How often each event came, by pool and event; under `''` those of tenants that are not shown
   * one by one, and those of further pools than 100.
   */
  readonly events: Map<string, Map<string, number>> = new Map()
  /** Changes of the primary, by pool. */
  readonly failovers: Map<string, number> = new Map()
  /** Holds, by pool. */
  readonly holds: Map<string, Holds> = new Map()
  readonly #primaries = new Map<string, string>()
  readonly #ends: (() => void)[] = []

  /** Listens until `stop`. `tenants` is whether tenants are shown one by one. */
  constructor(observable: Observable, tenants: boolean) {
    const databases = new Set<string>()
    for (const { name, kind, topology } of observable.pools()) {
      // Tenants are on the servers of databases.
      if (kind !== 'database') continue
      databases.add(name)
      this.#sees(name, topology())
    }
    this.#listen(observable, 'topology', ({ pool, snapshot }) => this.#sees(pool, snapshot))
    this.#listen(observable, 'hold', ({ pool }) => {
      this.#holdsOf(pool).holding = true
    })
    this.#listen(observable, 'resume', ({ pool, held, heldMs }) => {
      const holds = this.#holdsOf(pool)
      holds.holding = false
      holds.count++
      holds.sumMs += heldMs
      holds.calls += held
    })
    for (const event of COUNTED_EVENTS) {
      this.#listen(observable, event, ({ pool, tenant }) => {
        // The pool of a tenant may be called what that of the database of its name is called.
        const isTwin = tenant !== undefined && databases.has(tenant)
        const own = isTwin ? tenantName(tenant, databases) : pool
        const isKnown = this.events.has(own) || this.events.size < MOST_POOLS
        const name = isKnown && (tenants || tenant === undefined) ? own : FURTHER
        const counts = this.events.get(name) ?? new Map<string, number>()
        this.events.set(name, counts)
        counts.set(event, (counts.get(event) ?? 0) + 1)
      })
    }
  }

  /** Listens no more. */
  stop(): void {
    for (const end of this.#ends.splice(0)) end()
  }

  #listen<Name extends PoolEventName>(
    observable: Observable,
    event: Name,
    listener: Parameters<typeof observable.on<Name>>[1],
  ): void {
    observable.on(event, listener)
    this.#ends.push(() => observable.off(event, listener))
  }

  #holdsOf(pool: string): Holds {
    const known = this.holds.get(pool)
    if (known !== undefined) return known
    const holds = { holding: false, count: 0, sumMs: 0, calls: 0 }
    this.holds.set(pool, holds)
    return holds
  }

  /** The first primary that is seen is no failover. */
  #sees(pool: string, snapshot: TopologySnapshot | undefined): void {
    const id = snapshot?.primary?.id
    if (id === undefined) return
    // From 0 on, because a rate does not see the first appearance of a series. Where every call
    // that was held has given up, no event tells that the hold is over.
    this.#holdsOf(pool).holding = false
    const former = this.#primaries.get(pool)
    this.#primaries.set(pool, id)
    const before = this.failovers.get(pool) ?? 0
    this.failovers.set(pool, former === undefined || former === id ? before : before + 1)
  }
}
