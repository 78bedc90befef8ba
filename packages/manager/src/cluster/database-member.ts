import { AsyncLocalStorage } from 'node:async_hooks'
import {
  type Clock,
  type CloseOptions,
  type ConnectionBudget,
  type ConnectionOptions,
  type ConnectionPool,
  createPool,
  type Driver,
  PoolClosedError,
  type PoolStats,
  type ReconfigureOptions,
} from '@poolhouse/core'
import {
  type CallParty,
  CONNECTION_EVENTS,
  EventHub,
  EventRelay,
  enterCall,
  leaveCall,
  partyOfCall,
  sumStats,
} from '@poolhouse/core/kit'
import type { Budgets } from '../budget/budgets.js'
import type { DatabasePoolSettings } from '../options/database-options.js'
import type { ServerSpec } from '../options/database-spec.js'

/** A server of the group, as a member uses it. */
export interface MemberServer {
  /** `host:port`. */
  readonly name: string
  /** The server as it was listed. */
  readonly spec: ServerSpec
  /** The `watchdog` that failover sets for every pool there; undefined if it sets none. */
  readonly watchdog: ReconfigureOptions['watchdog']
  /** A member has made a pool there. */
  add(pool: ConnectionPool, member: DatabaseMember): void
  /** A pool there is closed. */
  remove(pool: ConnectionPool): void
}

/** What the pools of one member are made of. */
export interface MemberOptions {
  /** Name for messages and events. */
  readonly name: string
  /** The tenant that it is, as its events tell; undefined for a named database. */
  readonly tenant?: string | undefined
  readonly driver: Driver
  /** Says how it connects to a server. */
  readonly connection: (server: ServerSpec) => ConnectionOptions
  readonly pool: DatabasePoolSettings
  /** Its share of the budgets of its servers. */
  readonly budget: ConnectionBudget
  /** Where its pools are watched to learn what their servers allow. */
  readonly budgets: Pick<Budgets, 'watch' | 'unwatch'>
  /**
   * Gets each new pool before its first connect. A listener goes on that pool: one on `hub` would
   * take the place of the process warning for a fault of the application's own listener.
   */
  readonly made?: ((pool: ConnectionPool) => void) | undefined
  readonly clock: Clock
  /** Source of randomness from 0 (included) to 1 (excluded). */
  readonly random: () => number
  /** Runs `make` outside the async context of the caller that happens to be first. */
  readonly apart: <R>(make: () => R) => R
}

// Of calls that do not reach their server in the turn in which they are made.
const lasting: AsyncLocalStorage<DatabaseMember> = new AsyncLocalStorage()

/**
 * The member that the running call is for; undefined outside such a call. The pools that route are
 * shared by all members of a server group; the server at the end of the route (`ServerNode`) looks
 * the member up here. The routing pools run everything of a call for its party (`partyOfCall`),
 * also after a wait.
 */
export function memberOfCall(): DatabaseMember | undefined {
  const party = partyOfCall()
  return party instanceof DatabaseMember ? party : lasting.getStore()
}

/**
 * One database or tenant on the servers of a group, as one user. Owns its pools, one for each
 * server, made at the first call there.
 */
export class DatabaseMember implements CallParty {
  readonly hub: EventHub
  /** The events of its pools. */
  readonly events: EventRelay
  /** Whether it counts as busy without a call under way: it has subscriptions. */
  isPinned = false
  #options: MemberOptions
  readonly #pools = new Map<MemberServer, ConnectionPool>()
  #closing: Promise<void> | undefined

  /** Takes checked options. Opens nothing. */
  constructor(options: MemberOptions) {
    this.#options = options
    this.hub = options.apart(() => new EventHub())
    const { tenant } = options
    const about = tenant === undefined ? undefined : { tenant }
    this.events = new EventRelay(this.hub, [], CONNECTION_EVENTS, about)
  }

  get name(): string {
    return this.#options.name
  }

  /** The tenant that it is; undefined for a named database. */
  get tenant(): string | undefined {
    return this.#options.tenant
  }

  /** Whose connections its pools hand out. */
  get driver(): Driver {
    return this.#options.driver
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

  /** Its pools, one for each server that it has used. */
  get pools(): Iterable<ConnectionPool> {
    return this.#pools.values()
  }

  /** Its pool on a server. Throws `PoolClosedError` once the member is closed. */
  poolAt(server: MemberServer): ConnectionPool {
    return this.#pools.get(server) ?? this.#make(server)
  }

  #make(server: MemberServer): ConnectionPool {
    const { name, apart, driver, connection, pool, budget, budgets, clock, random } = this.#options
    if (this.#closing !== undefined) throw new PoolClosedError(name)
    const made = apart(() =>
      createPool({
        ...pool,
        driver,
        connection: connection(server.spec),
        name: `${name}@${server.name}`,
        budget,
        clock,
        random,
      }),
    )
    this.#pools.set(server, made)
    this.events.add(made)
    server.add(made, this)
    budgets.watch(made)
    this.#options.made?.(made)
    return made
  }

  /**
   * Takes new sizes, times, `multiplex` and credentials. A connection in use keeps its settings
   * until it is released.
   */
  reconfigure(options: MemberOptions): void {
    this.#options = options
    for (const [server, pool] of this.#pools) {
      // These options take a new pool.
      const {
        prepare,
        pooler,
        types,
        requireAuth,
        overload,
        errorDetail,
        reset,
        failFast,
        ...changeable
      } = options.pool
      const { host, port } = pool.endpoint
      pool.reconfigure({
        ...changeable,
        watchdog: server.watchdog ?? changeable.watchdog,
        connection: options.connection(server.spec),
      })
      if (host === pool.endpoint.host && port === pool.endpoint.port) continue
      options.budgets.unwatch(pool)
      options.budgets.watch(pool)
    }
  }

  /** Forgets its pool on a server that has left the group. */
  part(server: MemberServer): void {
    const pool = this.#pools.get(server)
    this.#pools.delete(server)
    if (pool === undefined) return
    this.events.remove(pool)
    this.#options.budgets.unwatch(pool)
  }

  /** Whether calls are under way or waiting, or there are subscriptions. */
  get busy(): boolean {
    if (this.isPinned) return true
    for (const pool of this.#pools.values()) {
      const { leased, pending, connecting } = pool.stats()
      if (leased + pending + connecting > 0) return true
    }
    return false
  }

  /**
   * Runs `work` as a call for this member, with everything that it waits for. A statement needs
   * only `enterCall`, which costs less: the pools that route remember for whom it is where it
   * waits.
   */
  within<R>(work: () => R): R {
    // Also inside a call of another member that is being made right now.
    const around = enterCall(this)
    try {
      return lasting.run(this, work)
    } finally {
      leaveCall(around)
    }
  }

  /** The sums of its pools, and each of them. */
  stats(): PoolStats {
    return sumStats(
      Object.fromEntries([...this.#pools.values()].map((pool) => [pool.name, pool.stats()])),
    )
  }

  /**
   * Closes its pools and refuses later calls. Rejects with the first failure, after all were tried.
   */
  close(options?: CloseOptions): Promise<void> {
    this.#closing ??= this.#close(options)
    return this.#closing
  }

  async #close(options: CloseOptions | undefined): Promise<void> {
    const pools = [...this.#pools]
    const ends = await Promise.allSettled(pools.map(([, pool]) => pool.close(options)))
    for (const [server, pool] of pools) {
      server.remove(pool)
      this.#options.budgets.unwatch(pool)
    }
    this.#pools.clear()
    this.events.stop()
    for (const end of ends) if (end.status === 'rejected') throw end.reason
  }
}
