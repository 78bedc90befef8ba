import {
  type CloseOptions,
  ConnectError,
  type ConnectionPool,
  type Endpoint,
  type Lease,
  type PoolEventName,
  type Pooler,
  type PoolerInEffect,
  PoolhouseError,
  type PoolListener,
  type PoolSnapshot,
  type PoolStats,
  type QueryOptions,
  type QueryResult,
  type ReconfigureOptions,
  type ResizeOptions,
  type ServerInUse,
  type Session,
  type SessionOptions,
  type Statement,
} from '@poolhouse/core'
import {
  type AcceptsServer,
  EventHub,
  EventRelay,
  newsOf,
  type PoolCall,
  PoolDecorator,
  sumStats,
} from '@poolhouse/core/kit'
import type { ServerSpec } from '../options/server-spec.js'
import { currentMember } from './current-member.js'
import type { Member } from './database-member.js'
import { ServerView } from './server-view.js'

// A server that refuses so many logs nobody in.
const MOST_OTHERS = 3

/** Whether the server refused this role, this database or these settings, and may let others in. */
function refusesThisLogIn(error: unknown): boolean {
  const news = newsOf(error)
  return error instanceof ConnectError && (news === 'none' || news === 'limited')
}

/** What a node needs of its cluster. */
export interface NodeHost {
  /** The database that the cluster was made for; its sessions are those of the monitors. */
  readonly base: Member
  /** Most connections that this process may have at a server. */
  limitOf(endpoint: Endpoint): number
}

/**
 * One server with the pools of every database and tenant on it, as one `ConnectionPool`: what
 * failover and read routing take for the pool of a node. A call goes to the pool of the database
 * that it is for; what concerns the server concerns all of them. So each server is watched once,
 * however many databases it has.
 */
export class ServerNode extends PoolDecorator implements ConnectionPool {
  readonly name: string
  readonly endpoint: Endpoint
  // Private: whoever prints a topology prints its pools, and here is a password.
  readonly #spec: ServerSpec
  readonly #declared: PoolerInEffect | undefined
  readonly #host: NodeHost
  readonly #pools = new Map<ConnectionPool, Member>()
  readonly #events: EventRelay
  #watchdog: ReconfigureOptions['watchdog']

  /** Begins without pools. */
  constructor(spec: ServerSpec, database: string, pooler: Pooler | undefined, host: NodeHost) {
    super()
    const { host: server, port } = spec
    this.#spec = spec
    this.name = `${server.includes(':') ? `[${server}]` : server}:${port}`
    this.endpoint = Object.freeze({ host: server, port, database })
    this.#declared = pooler === 'none' ? undefined : pooler
    this.#host = host
    this.#events = new EventRelay(new EventHub(), [])
  }

  get pooler(): PoolerInEffect | undefined {
    if (this.#declared !== undefined) return this.#declared
    for (const { pooler } of this.#pools.keys()) if (pooler !== undefined) return pooler
    return undefined
  }

  /** The server as it was listed. */
  get spec(): ServerSpec {
    return this.#spec
  }

  /** A database has a pool here. */
  add(pool: ConnectionPool, member: Member): void {
    if (this.#watchdog !== undefined) pool.reconfigure({ watchdog: this.#watchdog })
    this.#pools.set(pool, member)
    this.#events.add(pool)
  }

  /** A pool is not used any more. */
  remove(pool: ConnectionPool): void {
    this.#pools.delete(pool)
    this.#events.remove(pool)
  }

  // ── of one database ──

  /** The pool of the database that the call is for. Throws if the call does not say. */
  get poolOfCall(): ConnectionPool {
    const member = currentMember.getStore()
    // Better an error than the database of somebody else.
    if (member === undefined) {
      throw new PoolhouseError(
        `a call reached server ${this.name} without saying for which database it is`,
      )
    }
    return member.poolAt(this)
  }

  /** The database that the call is for; undefined if the call does not say. */
  get databaseOfCall(): Member | undefined {
    return currentMember.getStore()
  }

  protected send<R>(call: PoolCall<R>): Promise<R> {
    return call.run(this.poolOfCall)
  }

  /** Straight to the pool of the database, which takes the arguments itself. */
  override query<Row = Record<string, unknown>>(
    first: string | Statement,
    second?: readonly unknown[] | QueryOptions,
    third?: QueryOptions,
  ): Promise<QueryResult<Row>> {
    try {
      return this.poolOfCall.query<Row>(first as string, second as readonly unknown[], third)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  tryAcquire(): Lease | undefined {
    return this.poolOfCall.tryAcquire()
  }

  // ── of the server ──

  /**
   * A session to ask the server about itself: that of the database that the cluster was made for.
   * Should the server refuse that one its role, its database or its settings, which says nothing
   * about the server, others ask for it. `viewOf` gives of a pool what leads to one of several
   * servers.
   */
  async openSession(
    options?: SessionOptions,
    viewOf: (pool: ConnectionPool) => ConnectionPool = (pool) => pool,
  ): Promise<Session> {
    const base = this.#host.base.poolAt(this)
    try {
      return await viewOf(base).openSession(options)
    } catch (error) {
      if (!refusesThisLogIn(error)) throw error
      for (const pool of this.#othersThan(base)) {
        try {
          return await viewOf(pool).openSession(options)
        } catch (again) {
          if (!refusesThisLogIn(again)) throw again
        }
      }
      throw error
    }
  }

  /** Pools of other databases and tenants, those first that have got in. */
  #othersThan(base: ConnectionPool): readonly ConnectionPool[] {
    const others = [...this.#pools.keys()].filter((pool) => pool !== base)
    const isIn = (pool: ConnectionPool): boolean => {
      const { total, connecting } = pool.stats()
      return total > connecting
    }
    return others
      .sort((one, other) => Number(isIn(other)) - Number(isIn(one)))
      .slice(0, MOST_OTHERS)
  }

  /** The pools of all databases and tenants here. */
  get pools(): readonly ConnectionPool[] {
    return [...this.#pools.keys()]
  }

  /** The servers that their connections lead to; one may be listed for several of them. */
  servers(): readonly ServerInUse[] {
    return this.pools.flatMap((pool) => pool.servers?.() ?? [])
  }

  onlyTo(accepts: AcceptsServer): ConnectionPool {
    return new ServerView(this, accepts)
  }

  async warm(count?: number): Promise<void> {
    await this.#host.base.poolAt(this).warm(count)
  }

  resize(sizes: ResizeOptions): void {
    for (const pool of this.#pools.keys()) pool.resize(sizes)
  }

  /**
   * What failover made of the `watchdog` option, which goes before that of each pool; undefined if
   * the primary is not followed.
   */
  get watchdog(): ReconfigureOptions['watchdog'] {
    return this.#watchdog
  }

  reconfigure(options: ReconfigureOptions): void {
    this.#watchdog = options.watchdog ?? this.#watchdog
    for (const pool of this.#pools.keys()) pool.reconfigure(options)
  }

  suspend(): void {
    for (const pool of this.#pools.keys()) pool.suspend()
  }

  resume(): void {
    for (const pool of this.#pools.keys()) pool.resume()
  }

  async recycle(): Promise<void> {
    await Promise.all([...this.#pools.keys()].map((pool) => pool.recycle()))
  }

  suspect(reason: string): void {
    for (const pool of this.#pools.keys()) pool.suspect(reason)
  }

  destroyAll(reason: string): void {
    for (const pool of this.#pools.keys()) pool.destroyAll(reason)
  }

  silentForMs(): number {
    let longest = 0
    for (const pool of this.#pools.keys()) longest = Math.max(longest, pool.silentForMs())
    return longest
  }

  stats(): PoolStats {
    const named = [...this.#pools.keys()].map((pool) => [pool.name, pool.stats()] as const)
    const { nodes, ...sum } = sumStats(Object.fromEntries(named))
    return Object.freeze({ ...sum, max: Math.min(sum.max, this.#host.limitOf(this.endpoint)) })
  }

  inspect(): PoolSnapshot {
    const snapshots = [...this.#pools.keys()].map((pool) => pool.inspect())
    return Object.freeze({
      name: this.name,
      endpoint: this.name,
      pooler: this.pooler,
      leases: Object.freeze(snapshots.flatMap(({ leases }) => leases)),
      lastConnectError: snapshots.find((each) => each.lastConnectError)?.lastConnectError,
    })
  }

  on<Name extends PoolEventName>(event: Name, listener: PoolListener<Name>): this {
    this.#events.on(event, listener)
    return this
  }

  off<Name extends PoolEventName>(event: Name, listener: PoolListener<Name>): this {
    this.#events.off(event, listener)
    return this
  }

  async close(options?: CloseOptions): Promise<void> {
    const ends = await Promise.allSettled(
      [...this.#pools.keys()].map((pool) => pool.close(options)),
    )
    for (const member of this.#pools.values()) member.part(this)
    this.#events.stop()
    for (const end of ends) if (end.status === 'rejected') throw end.reason
  }
}
