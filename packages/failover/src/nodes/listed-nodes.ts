import { type Clock, type ClockTimer, type ConnectionPool, PoolhouseError } from '@poolhouse/core'
import { formatEndpoint, messageOf } from '@poolhouse/core/kit'
import { underWay } from '../base/under-way.js'
import { addressOf, type DiscoveredNode } from '../discover/discovery.js'
import { isNode } from '../options/node-source.js'
import type { NodeSet } from './node-set.js'

/** Options of `ListedNodes`. */
export interface ListedNodesOptions {
  /** Name of the discovery, for messages. */
  readonly source: string
  /** The set that follows the list. */
  readonly nodes: NodeSet
  readonly clock: Clock
  /** See `DiscoveredNodes.removeAfterMs`. */
  readonly removeAfterMs: number
  /** Makes the pool of a node. */
  readonly makePool: (node: DiscoveredNode) => ConnectionPool
  /** Whether the node is the primary, which stays whatever the list says. */
  readonly isPrimary: (id: string) => boolean
  /** Called with the pools of nodes that were added to the set. */
  readonly added: (pools: readonly ConnectionPool[]) => void
  /** Called with the pool of a node that was removed from the set, to close it. */
  readonly removed: (pool: ConnectionPool) => void
  /** Called after a list that added no node. */
  readonly traitsChanged: () => void
  /** Called with an error that concerns no call. */
  readonly failed: (error: unknown) => void
}

// A node that only flaps is listed again before that, and keeps its warm connections.
const LEAST_STAY_MS = 5_000
const SWEEP_MS = 1_000

/**
 * Makes the set of nodes follow the lists of a discovery. New nodes get a pool. A node that has not
 * been listed for a while and has nothing under way is removed.
 */
export class ListedNodes {
  readonly #options: ListedNodesOptions
  // Ids by address, because the application chooses the names of the pools.
  readonly #ids = new Map<string, string>()
  readonly #leftAt = new Map<string, number>()
  // Addresses whose pool could not be made. Each is reported once.
  readonly #broken = new Set<string>()
  #sweep: ClockTimer | undefined

  /** Has no nodes before `follow`. */
  constructor(options: ListedNodesOptions) {
    this.#options = options
  }

  /** The id of the node at this address. */
  idOf(node: DiscoveredNode): string | undefined {
    return this.#ids.get(addressOf(node))
  }

  /** Adds, updates and removes nodes according to a list. */
  follow(list: readonly DiscoveredNode[]): void {
    const { nodes, added, traitsChanged, source } = this.#options
    const listed = new Set<string>()
    const newPools: ConnectionPool[] = []
    for (const node of list) {
      const address = addressOf(node)
      if (listed.has(address)) continue
      listed.add(address)
      const known = nodes.get(this.#ids.get(address) ?? '')
      const pool = known?.pool ?? this.#poolFor(node, address)
      if (pool === undefined) continue
      if (known === undefined) newPools.push(pool)
      this.#ids.set(address, pool.name)
      this.#leftAt.delete(pool.name)
      nodes.put(pool, node)
    }
    for (const [address, id] of this.#ids) {
      if (listed.has(address) || this.#leftAt.has(id)) continue
      this.#leftAt.set(id, this.#options.clock.now())
      nodes.leave(id, `not listed by ${source} any more`)
    }
    for (const address of this.#broken) if (!listed.has(address)) this.#broken.delete(address)
    if (newPools.length > 0) added(newPools)
    else traitsChanged()
    this.#arm()
  }

  /** Stops removing nodes. */
  stop(): void {
    this.#sweep?.cancel()
  }

  #poolFor(node: DiscoveredNode, address: string): ConnectionPool | undefined {
    const { nodes, makePool, failed } = this.#options
    try {
      const pool = makePool(node)
      if (!isNode(pool)) throw new TypeError('pool must return a pool made by createPool')
      const twin = nodes.get(pool.name)
      if (twin !== undefined) {
        void pool.close().catch(failed)
        throw new RangeError(
          `the pool is named "${pool.name}", and so is that of ${formatEndpoint(twin.pool.endpoint)}; give each pool a name of its own`,
        )
      }
      this.#broken.delete(address)
      return pool
    } catch (cause) {
      if (this.#broken.has(address)) return undefined
      this.#broken.add(address)
      failed(new PoolhouseError(`node ${address} cannot be used: ${messageOf(cause)}`, { cause }))
      return undefined
    }
  }

  #arm(): void {
    if (this.#leftAt.size === 0 || this.#sweep !== undefined) return
    this.#sweep = this.#options.clock.setTimer(() => {
      this.#sweep = undefined
      this.#removeUnlisted()
      this.#arm()
    }, SWEEP_MS)
  }

  #removeUnlisted(): void {
    const { nodes, clock, removeAfterMs, isPrimary, removed } = this.#options
    for (const [id, leftAt] of this.#leftAt) {
      const { pool } = nodes.get(id)!
      const goneMs = clock.now() - leftAt
      if (isPrimary(id) || goneMs < Math.min(LEAST_STAY_MS, removeAfterMs)) continue
      if (goneMs < removeAfterMs && underWay(pool) > 0) continue
      this.#leftAt.delete(id)
      for (const [address, other] of this.#ids) if (other === id) this.#ids.delete(address)
      nodes.delete(id)
      removed(pool)
    }
  }
}
