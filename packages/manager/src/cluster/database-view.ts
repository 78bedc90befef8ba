import {
  type AcquireOptions,
  type CloseOptions,
  ConfigError,
  type Driver,
  InDoubtError,
  type Lease,
  type ListenOptions,
  type NotifyListener,
  type Pool,
  PoolClosedError,
  type PoolEventName,
  type PoolStats,
  type QueryOptions,
  type QueryResult,
  type Statement,
  type Subscription,
  type Topology,
  type TopologySnapshot,
} from '@poolhouse/core'
import {
  checkListenArguments,
  type Driven,
  EventRelay,
  enterCall,
  leaveCall,
  observedTopologyOf,
  type PoolCall,
  RelayingPool,
  readCloseOptions,
  SERVER_EVENTS,
  type Watched,
} from '@poolhouse/core/kit'
import type { FailoverPool } from '@poolhouse/failover'
import {
  annotationOf,
  type ReaderOptions,
  type ReplicaSession,
  type ReplicaSessionOptions,
  type RouteExplanation,
} from '@poolhouse/read-replicas'
import type { NamedDatabase } from '../options/database-pool.js'
import type { DatabaseMember } from './database-member.js'
import { FollowingChannels } from './following-channels.js'
import type { ServerGroup } from './server-group.js'
import { ServerNode } from './server-node.js'
import { ReadView, SessionView, type ViewedDatabase } from './views.js'

/**
 * A server group as one of its databases uses it: the group routes each call, and the call runs on
 * the pool of this database at the chosen server.
 */
export class DatabaseView
  extends RelayingPool
  implements NamedDatabase, ViewedDatabase, Driven, Watched
{
  readonly #member: DatabaseMember
  readonly #groupOf: () => ServerGroup
  readonly #events: EventRelay
  #following: FollowingChannels | undefined
  #hearsServers = false
  #used = false
  #closed = false

  /** `groupOf` makes the server group at the first call. */
  constructor(member: DatabaseMember, groupOf: () => ServerGroup) {
    super()
    this.#member = member
    this.#groupOf = groupOf
    this.#events = new EventRelay(member.hub, [], SERVER_EVENTS)
  }

  get name(): string {
    return this.#member.name
  }

  get drivenBy(): Driver {
    return this.#member.driver
  }

  get connectsWith(): Pool | undefined {
    const { direct, topology } = this.#group
    const { primary, nodes } = topology?.current ?? { nodes: [] }
    const node = direct ?? (primary ?? nodes[0])?.pool
    return node instanceof ServerNode ? this.#member.poolAt(node) : undefined
  }

  get madeOf(): Iterable<Pool> {
    return this.#member.pools
  }

  get observedTopology(): TopologySnapshot | undefined {
    if (!this.#used) return undefined
    const { topology, routed } = this.#group
    return topology && observedTopologyOf(routed)
  }

  get topology(): Topology | undefined {
    return this.#group.topology
  }

  get strays(): ReadonlyMap<string, string> {
    return this.#group.routed.strays
  }

  /** Whether a call has needed the server group. */
  get used(): boolean {
    return this.#used
  }

  /** Whether `close` was called. */
  get closed(): boolean {
    return this.#closed
  }

  /**
   * Hot path, measured: hands the arguments to the chosen pool as they are, without an object for
   * the call. Where the routing pools can send it at once, it needs no async context either.
   */
  override query<Row = Record<string, unknown>>(
    first: string | Statement,
    second?: readonly unknown[] | QueryOptions,
    third?: QueryOptions,
  ): Promise<QueryResult<Row>> {
    const member = this.#member
    // Outside `try`, because `finally` must not undo what was not done.
    const around = enterCall(member)
    try {
      if (this.#closed) throw new PoolClosedError(this.name)
      const { only, routed } = this.#group
      const pool =
        only !== undefined && isUnrouted(first, second, third) ? member.poolAt(only) : routed
      return this.reportDoubt(pool.query<Row>(first as string, second as readonly unknown[], third))
    } catch (error) {
      return Promise.reject(error)
    } finally {
      leaveCall(around)
    }
  }

  /** Hands the options to the chosen pool as they are, without a call object. */
  override acquire(options?: AcquireOptions): Promise<Lease> {
    try {
      return this.#call(options?.intent === 'read', undefined, (pool) => pool.acquire(options))
    } catch (error) {
      return Promise.reject(error)
    }
  }

  protected send<R>(call: PoolCall<R>): Promise<R> {
    return this.#call(call.isRead, call.statement?.text, (pool) => call.run(pool))
  }

  override async listen(
    channel: string,
    onNotify: NotifyListener,
    options?: ListenOptions,
  ): Promise<Subscription> {
    checkListenArguments(channel, onNotify, options)
    if (this.#closed) throw new PoolClosedError(this.name)
    const { direct, topology } = this.#group
    // A subscription does not show in the statistics of its pools, so it keeps them open.
    this.#member.isPinned = true
    if (direct !== undefined)
      return await this.#member.poolAt(direct).listen(channel, onNotify, options)
    this.#following ??= new FollowingChannels(this.#member, topology!)
    return await this.#following.channels.listen(channel, onNotify, options)
  }

  reader(options?: ReaderOptions): Pool {
    const { routed } = this.#group
    return new ReadView(this, this.#member, routed.reader(options), 'reader')
  }

  session(token?: string, options?: ReplicaSessionOptions): ReplicaSession {
    const { routed } = this.#group
    return new SessionView(this, this.#member, routed.session(token, options))
  }

  async switchover<R>(...args: Parameters<FailoverPool['switchover']>): Promise<R> {
    return (await this.#followed('switchover').switchover(...args)) as R
  }

  async drain(...args: Parameters<FailoverPool['drain']>): Promise<void> {
    await this.#followed('drain').drain(...args)
  }

  undrain(id: string): void {
    this.#followed('undrain').undrain(id)
  }

  acceptSystem(systemId: string): void {
    this.#followed('acceptSystem').acceptSystem(systemId)
  }

  explainRoute(statement: string | Statement, options?: QueryOptions): RouteExplanation {
    return this.#member.within(() => this.#group.routed.explainRoute(statement, options))
  }

  stats(): PoolStats {
    const stats = this.#member.stats()
    const group = this.#used ? this.#group : undefined
    // The databases of a group share its routing: told by each, it would be counted several times.
    if (group?.base !== this.#member || group.topology === undefined) return stats
    return Object.freeze({ ...stats, routing: group.routed.stats().routing! })
  }

  async close(options: CloseOptions = {}): Promise<void> {
    readCloseOptions(options)
    this.#closed = true
    await this.#following?.close()
  }

  get #group(): ServerGroup {
    this.#used = true
    return this.#groupOf()
  }

  reportDoubt<R>(call: Promise<R>): Promise<R> {
    const { hub, clock, tenant } = this.#member
    if (!hub.has('in-doubt')) return call
    return call.catch((error: unknown) => {
      if (error instanceof InDoubtError) {
        // The pool below reports the node, in a microtask of its own.
        clock.afterIo(() => {
          const node = this.#group.doubtedAt(error)
          hub.emit('in-doubt', { pool: this.name, node, error, ...(tenant && { tenant }) })
        })
      }
      throw error
    })
  }

  #followed(call: string): FailoverPool {
    if (this.#closed) throw new PoolClosedError(this.name)
    const { followed } = this.#group
    if (followed !== undefined) return followed
    throw new ConfigError(
      `${call}: the primary of database "${this.name}" is fixed; give its servers as nodes`,
    )
  }

  /** Calls the pool that the work belongs on, as a call for this database. */
  #call<R>(
    isRead: boolean,
    text: string | undefined,
    work: (pool: Pool) => Promise<R>,
  ): Promise<R> {
    try {
      if (this.#closed) throw new PoolClosedError(this.name)
      const { only, routed } = this.#group
      // One server and no read: there is nothing to route.
      if (only !== undefined && !isRead && annotationOf(text) === undefined) {
        return this.reportDoubt(work(this.#member.poolAt(only)))
      }
      return this.reportDoubt(this.#member.within(() => work(routed)))
    } catch (error) {
      return Promise.reject(error)
    }
  }

  protected override keeperOf(event: PoolEventName): EventRelay {
    if (!SERVER_EVENTS.has(event)) return this.#member.events
    if (!this.#hearsServers) this.#events.add(this.#group.routed)
    this.#hearsServers = true
    return this.#events
  }
}

/**
 * Whether nothing about a statement says that it may be routed: neither its options nor its text.
 */
function isUnrouted(
  first: string | Statement,
  second: readonly unknown[] | QueryOptions | undefined,
  third: QueryOptions | undefined,
): boolean {
  const options =
    third ?? (Array.isArray(second) ? undefined : (second as QueryOptions | undefined))
  const text = typeof first === 'string' ? first : first?.text
  return options?.intent !== 'read' && annotationOf(text) === undefined
}
