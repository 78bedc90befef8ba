import type { Driven } from '../api/driver-of.js'
import type { PoolEventName, PoolListener } from '../api/events.js'
import type { ConnectionPool, Pool } from '../api/pool.js'
import type { PoolSnapshot } from '../api/stats.js'
import type { Topology, TopologySnapshot } from '../api/topology.js'
import { describeValue } from '../base/option-check.js'
import type { BudgetHolder, Observable, ObservedPool, ObservedStats } from './observable.js'

/** What a pool over other pools may tell those who watch it, where `Driven` does not say it. */
export interface Watched {
  /** The pools whose connections it has. Default: the pools that `drivenBy` names. */
  readonly madeOf?: Iterable<Pool> | undefined
  /**
   * Its servers as known now, without starting to watch them. Default: `topology.current` of its
   * `topology`, or of the pool that it is made of.
   */
  readonly observedTopology?: TopologySnapshot | undefined
}

/**
 * Makes an `Observable` of any pool, and returns one that is one already, such as a manager. Throws
 * `TypeError` for what is neither; `where` is the function that the message names.
 */
export function observe(source: Pool | Observable, where = 'observe'): Observable {
  if (has(source, ['pools', 'stats', 'holders', 'inspect', 'on', 'off']))
    return source as Observable
  if (has(source, ['query', 'stats', 'on', 'off'])) return new OnePool(source as Pool)
  throw new TypeError(
    `${where}: give a pool or a manager of Poolhouse, got ${describeValue(source)}`,
  )
}

/** The connection pools at the bottom of a pool, each once. */
function connectionPoolsOf(pool: Pool): readonly ConnectionPool[] {
  const found = new Set<ConnectionPool>()
  collect(pool, found)
  return [...found]
}

/** The servers of a pool as known now; undefined where it does not tell. */
export function observedTopologyOf(pool: Pool): TopologySnapshot | undefined {
  if ('observedTopology' in pool) return (pool as Watched).observedTopology
  const { topology } = pool as { readonly topology?: Topology }
  if (topology?.current !== undefined) return topology.current
  for (const part of partsOf(pool)) {
    const found = observedTopologyOf(part)
    if (found !== undefined) return found
  }
  return undefined
}

function collect(pool: Pool, found: Set<ConnectionPool>): void {
  if (has(pool, ['inspect'])) found.add(pool as ConnectionPool)
  else for (const part of partsOf(pool)) collect(part, found)
}

function partsOf(pool: Pool): Iterable<Pool> {
  const { madeOf, drivenBy } = pool as Watched & Driven
  if (madeOf !== undefined) return madeOf
  return drivenBy !== undefined && Symbol.iterator in drivenBy ? drivenBy : []
}

function has(value: unknown, methods: readonly string[]): boolean {
  const given = value as Readonly<Record<string, unknown>> | null | undefined
  return methods.every((name) => typeof given?.[name] === 'function')
}

/** A pool as one of those that are observed; `kind` and `name` as in `ObservedPool`. */
export function observedPool(
  pool: Pool,
  kind: ObservedPool['kind'] = 'database',
  name: string = pool.name,
): ObservedPool {
  return Object.freeze({
    name,
    kind,
    stats: () => pool.stats(),
    inspect: () => connectionPoolsOf(pool).map((each) => each.inspect()),
    topology: () => observedTopologyOf(pool),
  })
}

/** A pool, and nothing else, to those who watch. */
class OnePool implements Observable {
  readonly #pool: Pool
  readonly #pools: readonly ObservedPool[]

  constructor(pool: Pool) {
    this.#pool = pool
    this.#pools = Object.freeze([observedPool(pool)])
  }

  pools(): readonly ObservedPool[] {
    return this.#pools
  }

  stats(): ObservedStats {
    const databases = { [this.#pool.name]: this.#pool.stats() }
    return Object.freeze({ databases, servers: {}, tenantPools: 0, tenantEvictions: 0 })
  }

  holders(): Readonly<Record<string, readonly BudgetHolder[]>> {
    return {}
  }

  inspect(): readonly PoolSnapshot[] {
    return this.#pools[0]!.inspect()
  }

  on<Name extends PoolEventName>(event: Name, listener: PoolListener<Name>): this {
    this.#pool.on(event, listener)
    return this
  }

  off<Name extends PoolEventName>(event: Name, listener: PoolListener<Name>): this {
    this.#pool.off(event, listener)
    return this
  }
}
