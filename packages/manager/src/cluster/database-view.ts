import {
  type AcquireOptions,
  type CloseOptions,
  ConfigError,
  InDoubtError,
  type Lease,
  type ListenOptions,
  type NotifyListener,
  type Pool,
  PoolClosedError,
  type PoolEventName,
  type PoolListener,
  type PoolStats,
  type QueryOptions,
  type QueryResult,
  type Statement,
  type Subscription,
  type Topology,
} from '@poolhouse/core'
import {
  checkListenArguments,
  EventRelay,
  type PoolCall,
  PoolDecorator,
  readCloseOptions,
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
import { currentMember } from './current-member.js'
import type { Member } from './database-member.js'
import { FollowingChannels } from './following-channels.js'
import { ReadView } from './read-view.js'
import type { Cluster } from './server-group.js'
import { SessionView } from './session-view.js'

/** Events that concern the cluster, and tell nothing of the calls of one database to another. */
export const OF_THE_CLUSTER: ReadonlySet<PoolEventName> = new Set<PoolEventName>([
  'topology',
  'fenced',
  'split-brain',
  'foreign',
  'diverged',
  'token',
  'hold',
  'resume',
  'ejected',
  'admitted',
])

/**
 * A cluster as one of its databases sees it: its calls go where the cluster routes them, to the
 * pools of this database there.
 */
export class DatabaseView extends PoolDecorator implements NamedDatabase {
  readonly #member: Member
  readonly #clusterOf: () => Cluster
  readonly #events: EventRelay
  #following: FollowingChannels | undefined
  #isTold = false
  #used = false
  #closed = false

  /** The cluster is made with the first call. */
  constructor(member: Member, clusterOf: () => Cluster) {
    super()
    this.#member = member
    this.#clusterOf = clusterOf
    this.#events = new EventRelay(member.hub, [], OF_THE_CLUSTER)
  }

  get name(): string {
    return this.#member.name
  }

  get topology(): Topology | undefined {
    return this.#cluster.topology
  }

  /**
   * Servers that are listed as replicas and have another history than the primary, and why that is
   * known.
   */
  get strays(): ReadonlyMap<string, string> {
    return this.#cluster.routed.strays
  }

  /** Whether anything has been asked of it that needs the cluster. */
  get used(): boolean {
    return this.#used
  }

  /** Whether `close` was called. */
  get closed(): boolean {
    return this.#closed
  }

  /**
   * Straight to the pool that it belongs on, which takes the arguments itself: nothing is made on
   * the way.
   */
  override query<Row = Record<string, unknown>>(
    first: string | Statement,
    second?: readonly unknown[] | QueryOptions,
    third?: QueryOptions,
  ): Promise<QueryResult<Row>> {
    try {
      const options =
        third ?? (Array.isArray(second) ? undefined : (second as QueryOptions | undefined))
      const text = typeof first === 'string' ? first : first?.text
      return this.#call(options?.intent === 'read', text, (pool) =>
        pool.query<Row>(first as string, second as readonly unknown[], third),
      )
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /** As `query`. */
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
    const { direct, topology } = this.#cluster
    // From now on its pools stay: a subscription is not seen in their statistics.
    this.#member.isPinned = true
    if (direct !== undefined)
      return await this.#member.poolAt(direct).listen(channel, onNotify, options)
    this.#following ??= new FollowingChannels(this.#member, topology!)
    return await this.#following.channels.listen(channel, onNotify, options)
  }

  reader(options?: ReaderOptions): Pool {
    const { routed } = this.#cluster
    return new ReadView(this, this.#member, routed.reader(options), 'reader')
  }

  session(token?: string, options?: ReplicaSessionOptions): ReplicaSession {
    const { routed } = this.#cluster
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
    return this.#member.within(() => this.#cluster.routed.explainRoute(statement, options))
  }

  stats(): PoolStats {
    return this.#member.stats()
  }

  on<Name extends PoolEventName>(event: Name, listener: PoolListener<Name>): this {
    this.#relay(event).on(event, listener)
    return this
  }

  off<Name extends PoolEventName>(event: Name, listener: PoolListener<Name>): this {
    this.#relay(event).off(event, listener)
    return this
  }

  async close(options: CloseOptions = {}): Promise<void> {
    readCloseOptions(options)
    this.#closed = true
    await this.#following?.close()
  }

  get #cluster(): Cluster {
    this.#used = true
    return this.#clusterOf()
  }

  /** Tells those who listen to the database if the outcome of the call is left open. */
  telling<R>(call: Promise<R>): Promise<R> {
    const { hub, clock } = this.#member
    // Nobody listens: the call costs nothing more.
    if (!hub.has('in-doubt')) return call
    return call.catch((error: unknown) => {
      if (error instanceof InDoubtError) {
        // The pool below tells at which node it was, and does so in a microtask of its own.
        clock.afterIo(() =>
          hub.emit('in-doubt', { pool: this.name, node: this.#cluster.doubtedAt(error), error }),
        )
      }
      throw error
    })
  }

  #followed(call: string): FailoverPool {
    if (this.#closed) throw new PoolClosedError(this.name)
    const { followed } = this.#cluster
    if (followed !== undefined) return followed
    throw new ConfigError(
      `${call}: the primary of database "${this.name}" is fixed; give its servers as nodes`,
    )
  }

  /** Calls the pool that the work belongs on, for this database. */
  #call<R>(
    isRead: boolean,
    text: string | undefined,
    work: (pool: Pool) => Promise<R>,
  ): Promise<R> {
    try {
      if (this.#closed) throw new PoolClosedError(this.name)
      const { only, routed } = this.#cluster
      // To the server straight away: there is nothing to decide.
      if (only !== undefined && !isRead && annotationOf(text) === undefined) {
        return this.telling(work(this.#member.poolAt(only)))
      }
      this.#member.usedAt = this.#member.clock.now()
      return this.telling(currentMember.run(this.#member, work, routed))
    } catch (error) {
      return Promise.reject(error)
    }
  }

  #relay(event: PoolEventName): EventRelay {
    if (!OF_THE_CLUSTER.has(event)) return this.#member.events
    if (!this.#isTold) this.#events.add(this.#cluster.routed)
    this.#isTold = true
    return this.#events
  }
}
