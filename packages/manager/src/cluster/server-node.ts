import {
  type CloseOptions,
  ConnectError,
  type ConnectionPool,
  type Driver,
  type Endpoint,
  type Lease,
  type Pooler,
  type PoolerInEffect,
  PoolhouseError,
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
  type Driven,
  EventHub,
  EventRelay,
  newsOf,
  type PoolCall,
  RelayingPool,
  sumStats,
} from '@poolhouse/core/kit'
import type { Budgets } from '../budget/budgets.js'
import type { ServerSpec } from '../options/database-spec.js'
import { type DatabaseMember, type MemberServer, memberOfCall } from './database-member.js'
import { ServerView, type ViewedNode } from './server-view.js'

// After so many refused pools the server is taken to refuse every pool.
const MOST_OTHERS = 3

/** Whether the server refused this role, database or settings, and may accept those of others. */
function refusesThisLogIn(error: unknown): boolean {
  const news = newsOf(error)
  return error instanceof ConnectError && (news === 'none' || news === 'limited')
}

/** What a node is made for. */
export interface NodeParts {
  /** Name of the database in its endpoint. */
  readonly database: string
  readonly pooler: Pooler | undefined
  /** The member that the server group was made for: its sessions are those of the monitors. */
  readonly base: DatabaseMember
  readonly budgets: Pick<Budgets, 'limitOf'>
}

/**
 * One server with the pools of every database and tenant on it, as one `ConnectionPool`: what
 * failover and read routing use as the pool of a node. A call goes to the pool of the member that
 * it is for; `suspect`, `destroyAll` and the like reach all pools. So each server is watched once,
 * however many databases it has.
 */
export class ServerNode
  extends RelayingPool
  implements ConnectionPool, MemberServer, ViewedNode, Driven
{
  readonly name: string
  readonly endpoint: Endpoint
  // Private, so that a printed topology, which holds its pools, shows no password.
  readonly #spec: ServerSpec
  readonly #declared: PoolerInEffect | undefined
  readonly #parts: NodeParts
  readonly #pools = new Map<ConnectionPool, DatabaseMember>()
  readonly #events: EventRelay
  #watchdog: ReconfigureOptions['watchdog']

  /** Opens nothing. */
  constructor(spec: ServerSpec, parts: NodeParts) {
    super()
    const { host, port } = spec
    const { database, pooler } = parts
    this.#spec = spec
    this.#parts = parts
    this.name = `${host.includes(':') ? `[${host}]` : host}:${port}`
    this.endpoint = Object.freeze({ host, port, database })
    this.#declared = pooler === 'none' ? undefined : pooler
    this.#events = new EventRelay(new EventHub(), [])
  }

  get pooler(): PoolerInEffect | undefined {
    if (this.#declared !== undefined) return this.#declared
    for (const { pooler } of this.#pools.keys()) if (pooler !== undefined) return pooler
    return undefined
  }

  get drivenBy(): Driver {
    return this.#parts.base.driver
  }

  /** The server as it was listed. */
  get spec(): ServerSpec {
    return this.#spec
  }

  add(pool: ConnectionPool, member: DatabaseMember): void {
    if (this.#watchdog !== undefined) pool.reconfigure({ watchdog: this.#watchdog })
    this.#pools.set(pool, member)
    this.#events.add(pool)
  }

  remove(pool: ConnectionPool): void {
    this.#pools.delete(pool)
    this.#events.remove(pool)
  }

  // ── of one member ──

  /** The pool of the member that the call is for. Throws `PoolhouseError` if there is none. */
  get poolOfCall(): ConnectionPool {
    const member = memberOfCall()
    // Never guess: it might be the database of another tenant.
    if (member === undefined) {
      throw new PoolhouseError(
        `a call reached server ${this.name} without saying which database it is for`,
      )
    }
    return member.poolAt(this)
  }

  /** The member that the call is for; undefined outside such a call. */
  get databaseOfCall(): DatabaseMember | undefined {
    return memberOfCall()
  }

  protected send<R>(call: PoolCall<R>): Promise<R> {
    return call.run(this.poolOfCall)
  }

  /** Hands the arguments to the pool of the member as they are, without a call object. */
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
   * Opens a session to ask the server about itself, with the log-in of the member that the group
   * was made for. If the server refuses that role, database or settings, the log-ins of other
   * members are tried. `viewOf` turns a pool into its view of one of several servers.
   */
  async openSession(
    options?: SessionOptions,
    viewOf: (pool: ConnectionPool) => ConnectionPool = (pool) => pool,
  ): Promise<Session> {
    const base = this.#parts.base.poolAt(this)
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

  /** Pools of other members; those with an open connection first. */
  #othersThan(base: ConnectionPool): readonly ConnectionPool[] {
    const others = [...this.#pools.keys()].filter((pool) => pool !== base)
    const isOpen = (pool: ConnectionPool): boolean => {
      const { total, connecting } = pool.stats()
      return total > connecting
    }
    return others
      .sort((one, other) => Number(isOpen(other)) - Number(isOpen(one)))
      .slice(0, MOST_OTHERS)
  }

  get pools(): readonly ConnectionPool[] {
    return [...this.#pools.keys()]
  }

  /** The servers that its connections lead to; several pools may list the same one. */
  servers(): readonly ServerInUse[] {
    return this.pools.flatMap((pool) => pool.servers?.() ?? [])
  }

  onlyTo(accepts: AcceptsServer): ConnectionPool {
    return new ServerView(this, accepts)
  }

  async warm(count?: number): Promise<void> {
    await this.#parts.base.poolAt(this).warm(count)
  }

  resize(sizes: ResizeOptions): void {
    for (const pool of this.#pools.keys()) pool.resize(sizes)
  }

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

  reopen(reason: string): void {
    for (const pool of this.#pools.keys()) pool.reopen?.(reason)
  }

  refuseWaiting(reason: string): void {
    for (const pool of this.#pools.keys()) pool.refuseWaiting?.(reason)
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
    return Object.freeze({
      ...sum,
      max: Math.min(sum.max, this.#parts.budgets.limitOf(this.endpoint)),
    })
  }

  inspect(): PoolSnapshot {
    const snapshots = [...this.#pools.keys()].map((pool) => pool.inspect())
    return Object.freeze({
      name: this.name,
      endpoint: this.name,
      pooler: this.pooler,
      leases: Object.freeze(snapshots.flatMap(({ leases }) => leases)),
      slowest: snapshots.flatMap(({ slowest }) => slowest).sort((one, other) => other.ms - one.ms),
      leaks: snapshots.flatMap(({ leaks }) => leaks).sort((one, other) => one.agoMs - other.agoMs),
      lastConnectError: snapshots.find((each) => each.lastConnectError)?.lastConnectError,
    })
  }

  protected override keeperOf(): EventRelay {
    return this.#events
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
