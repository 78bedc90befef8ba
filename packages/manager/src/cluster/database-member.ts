import {
  type Clock,
  type CloseOptions,
  type ConnectionBudget,
  type ConnectionOptions,
  type ConnectionPool,
  createPool,
  type Driver,
  PoolClosedError,
  type PoolEventName,
  type PoolStats,
} from '@poolhouse/core'
import { EventHub, EventRelay, sumStats } from '@poolhouse/core/kit'
import type { DatabasePoolSettings } from '../options/database-options.js'
import type { ServerSpec } from '../options/server-spec.js'
import { currentMember } from './current-member.js'
import type { ServerNode } from './server-node.js'

/** What makes the pools of one database. */
export interface MemberOptions {
  /** Name for messages and events. */
  readonly name: string
  readonly driver: Driver
  /** How it connects to a server. */
  readonly connection: (server: ServerSpec) => ConnectionOptions
  readonly pool: DatabasePoolSettings
  readonly budget: ConnectionBudget
  readonly clock: Clock
  readonly random: () => number
  /** Makes things outside the async context of whoever happens to call first. */
  readonly apart: <R>(make: () => R) => R
  /** A pool was made. */
  readonly made?: ((pool: ConnectionPool) => void) | undefined
  /** A pool has moved to another server. */
  readonly moved?: ((pool: ConnectionPool) => void) | undefined
  /** A pool is closed or about to be. */
  readonly gone?: ((pool: ConnectionPool) => void) | undefined
}

// What pools tell of their connections; the rest is told by the cluster.
const TOLD: ReadonlySet<PoolEventName> = new Set<PoolEventName>([
  'connect',
  'acquire',
  'release',
  'destroy',
  'leak',
  'deadlock',
  'overload',
  'pooler',
  'servers',
  'durability',
  'error',
])

/**
 * One database on the servers of a cluster, as one user: makes its pool on a server when that is
 * first needed. Owns these pools.
 */
export class Member {
  readonly hub: EventHub
  readonly events: EventRelay
  /** When a call last came for it. */
  usedAt: number
  /** Whether it must not be evicted, because somebody listens. */
  isPinned = false
  #options: MemberOptions
  readonly #pools = new Map<ServerNode, ConnectionPool>()
  readonly #leaving = new Set<Promise<void>>()
  #closing: Promise<void> | undefined

  /** Begins without a pool. */
  constructor(options: MemberOptions) {
    this.#options = options
    this.usedAt = options.clock.now()
    this.hub = options.apart(() => new EventHub())
    this.events = new EventRelay(this.hub, [], TOLD)
  }

  get name(): string {
    return this.#options.name
  }

  get clock(): Clock {
    return this.#options.clock
  }

  get random(): () => number {
    return this.#options.random
  }

  /** Whether it has pools. */
  get open(): boolean {
    return this.#pools.size > 0
  }

  /** Its pool on a server. Throws `PoolClosedError` once it is closed. */
  poolAt(node: ServerNode): ConnectionPool {
    this.usedAt = this.#options.clock.now()
    return this.#pools.get(node) ?? this.#make(node)
  }

  #make(node: ServerNode): ConnectionPool {
    const { name, apart, driver, connection, budget, clock, random, made } = this.#options
    if (this.#closing !== undefined) throw new PoolClosedError(name)
    const pool = apart(() =>
      createPool({
        ...this.#options.pool,
        driver,
        connection: connection(node.spec),
        name: `${name}@${node.name}`,
        budget,
        clock,
        random,
      }),
    )
    this.#pools.set(node, pool)
    this.events.add(pool)
    node.add(pool, this)
    made?.(pool)
    return pool
  }

  /** New sizes, times and credentials; what is in use keeps what it has until it comes back. */
  reconfigure(options: MemberOptions): void {
    this.#options = options
    for (const [node, pool] of this.#pools) {
      // What only a new pool can take.
      const { prepare, pooler, types, requireAuth, overload, errorDetail, reset, ...changeable } =
        options.pool
      const { host, port } = pool.endpoint
      pool.reconfigure({
        ...changeable,
        watchdog: node.watchdog ?? changeable.watchdog,
        connection: options.connection(node.spec),
      })
      if (host !== pool.endpoint.host || port !== pool.endpoint.port) options.moved?.(pool)
    }
  }

  /** The server is not part of the cluster any more. */
  part(node: ServerNode): void {
    const pool = this.#pools.get(node)
    this.#pools.delete(node)
    if (pool === undefined) return
    this.events.remove(pool)
    this.#options.gone?.(pool)
  }

  /** Whether something is under way or waits. */
  get busy(): boolean {
    if (this.isPinned) return true
    for (const pool of this.#pools.values()) {
      const { leased, pending, connecting } = pool.stats()
      if (leased + pending + connecting > 0) return true
    }
    return false
  }

  /**
   * Closes its pools unless something is under way; the next call makes new ones. Returns whether
   * it did.
   */
  evict(): boolean {
    if (this.busy) return false
    for (const [node, pool] of this.#pools) {
      node.remove(pool)
      this.#options.gone?.(pool)
      // Nobody has or waits for anything in it, so it only says good-bye to its idle connections.
      const left: Promise<void> = pool
        .close()
        .catch((error: unknown) => this.hub.emit('error', { pool: pool.name, error }))
        .finally(() => {
          this.#leaving.delete(left)
          this.events.remove(pool)
        })
      this.#leaving.add(left)
    }
    this.#pools.clear()
    return true
  }

  /** Runs `work` as a call for this database. */
  within<R>(work: () => R): R {
    return currentMember.run(this, work)
  }

  /** The sums of its pools, and each of them. */
  stats(): PoolStats {
    return sumStats(
      Object.fromEntries([...this.#pools.values()].map((pool) => [pool.name, pool.stats()])),
    )
  }

  /**
   * Closes its pools; later calls are refused. Rejects with the first failure, after all have been
   * tried.
   */
  close(options?: CloseOptions): Promise<void> {
    this.#closing ??= this.#close(options)
    return this.#closing
  }

  async #close(options: CloseOptions | undefined): Promise<void> {
    const pools = [...this.#pools]
    const ends = await Promise.allSettled([
      ...pools.map(([, pool]) => pool.close(options)),
      ...this.#leaving,
    ])
    for (const [node, pool] of pools) {
      node.remove(pool)
      this.#options.gone?.(pool)
    }
    this.#pools.clear()
    this.events.stop()
    for (const end of ends) if (end.status === 'rejected') throw end.reason
  }
}
