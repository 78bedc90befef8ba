import { type Clock, type ClockTimer, type ConnectionPool, PoolhouseError } from '@poolhouse/core'
import { formatEndpoint } from '@poolhouse/core/kit'
import { underWay } from '../base/under-way.js'
import { addressOf, type DiscoveredNode } from '../discover/discovery.js'
import { isNode } from '../options/node-source.js'
import type { NodeSet } from './node-set.js'

/** What the list needs of its pool. */
export interface ListedNodesOptions {
  /** Name of the discovery, for reasons. */
  readonly source: string
  readonly nodes: NodeSet
  readonly clock: Clock
  readonly removeAfterMs: number
  readonly makePool: (node: DiscoveredNode) => ConnectionPool
  /** Whether the node is the primary, which stays, whatever the list says. */
  readonly isPrimary: (id: string) => boolean
  readonly joined: (pools: readonly ConnectionPool[]) => void
  readonly parted: (pool: ConnectionPool) => void
  readonly traitsChanged: () => void
  readonly failed: (error: unknown) => void
}

// Whoever flaps is back before that, and finds its warm connections.
const LEAST_STAY_MS = 5_000
const SWEEP_MS = 1_000

/**
 * Makes the set of nodes follow a list: pools are made for new nodes, and closed for those that
 * have not been listed for a while and have nothing under way.
 */
export class ListedNodes {
  readonly #options: ListedNodesOptions
  // Ids by address: the name of a pool is its maker's choice.
  readonly #ids = new Map<string, string>()
  readonly #leftAt = new Map<string, number>()
  // Addresses whose pool could not be made: told once.
  readonly #broken = new Set<string>()
  #sweep: ClockTimer | undefined

  /** Begins with nothing. */
  constructor(options: ListedNodesOptions) {
    this.#options = options
  }

  /** The name of the node at the address of this one. */
  idOf(node: DiscoveredNode): string | undefined {
    return this.#ids.get(addressOf(node))
  }

  /** Takes over a list. */
  follow(list: readonly DiscoveredNode[]): void {
    const { nodes, joined, traitsChanged, source } = this.#options
    const listed = new Set<string>()
    const added: ConnectionPool[] = []
    for (const node of list) {
      const address = addressOf(node)
      if (listed.has(address)) continue
      listed.add(address)
      const known = nodes.get(this.#ids.get(address) ?? '')
      const pool = known?.pool ?? this.#poolFor(node, address)
      if (pool === undefined) continue
      if (known === undefined) added.push(pool)
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
    if (added.length > 0) joined(added)
    else traitsChanged()
    this.#arm()
  }

  /** Ends it. The nodes stay. */
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
      const why = cause instanceof Error ? cause.message : String(cause)
      failed(new PoolhouseError(`node ${address} cannot be used: ${why}`, { cause }))
      return undefined
    }
  }

  #arm(): void {
    if (this.#leftAt.size === 0 || this.#sweep !== undefined) return
    this.#sweep = this.#options.clock.setTimer(() => {
      this.#sweep = undefined
      this.#removeWhoHasLeft()
      this.#arm()
    }, SWEEP_MS)
  }

  #removeWhoHasLeft(): void {
    const { nodes, clock, removeAfterMs, isPrimary, parted } = this.#options
    for (const [id, leftAt] of this.#leftAt) {
      const { pool } = nodes.get(id)!
      const goneMs = clock.now() - leftAt
      if (isPrimary(id) || goneMs < Math.min(LEAST_STAY_MS, removeAfterMs)) continue
      if (goneMs < removeAfterMs && underWay(pool) > 0) continue
      this.#leftAt.delete(id)
      for (const [address, other] of this.#ids) if (other === id) this.#ids.delete(address)
      nodes.delete(id)
      parted(pool)
    }
  }
}
