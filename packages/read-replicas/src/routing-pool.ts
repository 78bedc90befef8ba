import {
  type AcquireOptions,
  type CloseOptions,
  type CopyOptions,
  type CopyResult,
  type CopySource,
  EventRelay,
  type Lease,
  type ListenOptions,
  leasedCopyTo,
  leasedRows,
  type NotifyListener,
  type Pool,
  PoolClosedError,
  type PoolEventName,
  type PoolListener,
  type PoolStats,
  type QueryOptions,
  type QueryResult,
  readQueryArguments,
  readStreamArguments,
  refuseTransactionControl,
  type Statement,
  type StreamIterator,
  type StreamOptions,
  type Subscription,
  sumStats,
  type Transaction,
  type TransactionOptions,
} from '@poolhouse/core'
import { Background } from './background.js'
import { type Balancer, createBalancer } from './balancer.js'
import { Ejection } from './ejection.js'
import { describeCandidates, explainRoute, type RouteExplanation } from './explain-route.js'
import { type Membership, primaryPoolOf } from './membership.js'
import { PrimaryGate } from './primary-gate.js'
import { PrimaryLimit } from './primary-limit.js'
import {
  AcquireCall,
  type ReadCall,
  type ReadTarget,
  TransactionCall,
  UseCall,
} from './read-call.js'
import { afterFailure, isNodeFailure, readErrorOf } from './read-failure.js'
import { ReadRoute } from './read-route.js'
import { type ReadHost, ReadRunner } from './read-runner.js'
import { type ReaderHost, ReaderPool } from './reader-pool.js'
import type { ReplicaNode } from './replica-node.js'
import type { ReplicaPool } from './replica-pool.js'
import { ReplicaSet } from './replica-set.js'
import {
  checkMaxStaleness,
  type ReaderOptions,
  type ReplicasConfig,
  readReaderOptions,
} from './replicas-options.js'

/** Makes the membership of a pool, when the parts that it feeds exist. */
export type MembershipMaker = (parts: {
  background: Background
  set: ReplicaSet
  ejection: Ejection
}) => Membership

// Calls with a staleness of their own get a route each; beyond this many different values they are made anew.
const MOST_ROUTES = 32

/** Decides for each call between primary and replica. What is known of the nodes, who is shut out and who waits is owned by its parts. */
export class RoutingPool implements ReplicaPool, ReaderHost, ReadHost {
  readonly name: string
  readonly readRetries: number
  readonly #primary: Pool
  readonly #config: ReplicasConfig
  readonly #background: Background
  readonly #set = new ReplicaSet()
  readonly #balancer: Balancer
  readonly #route: ReadRoute
  readonly #routes = new Map<number, ReadRoute>()
  readonly #ejection: Ejection
  readonly #membership: Membership
  readonly #gate: PrimaryGate
  readonly #runner: ReadRunner
  readonly #relay: EventRelay
  #closing: Promise<void> | undefined

  /** Takes checked options; `withReplicas` is the public way. */
  constructor(primary: Pool, config: ReplicasConfig, makeMembership: MembershipMaker) {
    this.name = config.name
    this.readRetries = config.readRetries
    this.#primary = primary
    this.#config = config
    this.#background = new Background(config.name, config.clock)
    this.#balancer = createBalancer(config.strategy, config.random)
    this.#route = this.#makeRoute(config.maxStalenessMs)
    const limit = new PrimaryLimit(primary, config.primaryShare, config.clock)
    this.#gate = new PrimaryGate(this.#background, () => limit.current())
    this.#runner = new ReadRunner(this, this.#background, this.#gate)
    this.#ejection = new Ejection(
      {
        set: this.#set,
        anotherFits: (node) => this.#route.fitsBeside(node, this.#background.now()),
      },
      this.#background,
      config.random,
    )
    this.#membership = makeMembership({
      background: this.#background,
      set: this.#set,
      ejection: this.#ejection,
    })
    this.#set.onChange(() => this.#gate.reconsider())
    this.#relay = new EventRelay(this.#background.hub, [primary, ...this.#membership.owned])
  }

  get closed(): boolean {
    return this.#closing !== undefined
  }

  // ── calls ────────────────────────────────────────────────────────────────────────────────────────────────────────

  query<Row = Record<string, unknown>>(
    first: string | Statement,
    second?: readonly unknown[] | QueryOptions,
    third?: QueryOptions,
  ): Promise<QueryResult<Row>> {
    try {
      const { statement, options } = readQueryArguments(first, second, third)
      if (options?.intent === 'read') return this.queryRead<Row>(this.#route, statement, options)
      if (this.closed) throw new PoolClosedError(this.name)
      return this.#primary.query<Row>(statement, options)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  async acquire(options?: AcquireOptions): Promise<Lease> {
    if (options?.intent === 'read') return await this.acquireRead(this.#route, options)
    if (this.closed) throw new PoolClosedError(this.name)
    return await this.#primary.acquire(options)
  }

  async use<R>(work: (lease: Lease) => Promise<R>, options?: AcquireOptions): Promise<R> {
    if (options?.intent === 'read') return await this.useRead(this.#route, work, options)
    if (this.closed) throw new PoolClosedError(this.name)
    return await this.#primary.use(work, options)
  }

  async transaction<R>(
    work: (tx: Transaction) => Promise<R>,
    options?: TransactionOptions,
  ): Promise<R> {
    if (options?.readOnly === true) return await this.transactionRead(this.#route, work, options)
    if (this.closed) throw new PoolClosedError(this.name)
    return await this.#primary.transaction(work, options)
  }

  async listen(
    channel: string,
    onNotify: NotifyListener,
    options?: ListenOptions,
  ): Promise<Subscription> {
    if (this.closed) throw new PoolClosedError(this.name)
    return await this.#primary.listen(channel, onNotify, options)
  }

  stream<Row = Record<string, unknown>>(
    first: string | Statement,
    second?: readonly unknown[] | StreamOptions,
    third?: StreamOptions,
  ): StreamIterator<Row> {
    const { statement, options } = readStreamArguments(first, second, third)
    if (options?.intent === 'read') return this.streamRead<Row>(this.#route, statement, options)
    return this.#primary.stream<Row>(statement, options)
  }

  copyTo(sql: string, options?: CopyOptions): StreamIterator<Uint8Array> {
    return this.#primary.copyTo(sql, options)
  }

  copyFrom(sql: string, source: CopySource, options?: CopyOptions): Promise<CopyResult> {
    return this.#primary.copyFrom(sql, source, options)
  }

  reader(options: ReaderOptions = {}): Pool {
    const maxStalenessMs = readReaderOptions(options, this.#config.maxStalenessMs)
    return new ReaderPool(`${this.name}/reader`, this, this.#routeFor(maxStalenessMs))
  }

  // ── reads ────────────────────────────────────────────────────────────────────────────────────────────────────────

  queryRead<Row>(
    route: ReadRoute,
    statement: Statement,
    options: QueryOptions | undefined,
  ): Promise<QueryResult<Row>> {
    if (this.closed) throw new PoolClosedError(this.name)
    const own = options?.maxStalenessMs
    const chosen = own === undefined ? route : this.#routeFor(checkMaxStaleness('query', own))
    return this.#runner.query<Row>(chosen, statement, options)
  }

  acquireRead(route: ReadRoute, options: AcquireOptions | undefined): Promise<Lease> {
    return this.#runner.run(route, new AcquireCall(options))
  }

  streamRead<Row>(
    route: ReadRoute,
    statement: Statement,
    options: StreamOptions | undefined,
    admit?: () => void,
  ): StreamIterator<Row> {
    const own = options?.maxStalenessMs
    const chosen = own === undefined ? route : this.#routeFor(own)
    const acquire = async (acquireOptions: AcquireOptions): Promise<Lease> => {
      admit?.()
      refuseTransactionControl(statement, 'pool.stream')
      return await this.acquireRead(chosen, acquireOptions)
    }
    return leasedRows<Row>(acquire, statement, options, readErrorOf)
  }

  copyToRead(
    route: ReadRoute,
    sql: string,
    options: CopyOptions | undefined,
    admit: () => void,
  ): StreamIterator<Uint8Array> {
    const acquire = async (acquireOptions: AcquireOptions): Promise<Lease> => {
      admit()
      return await this.acquireRead(route, acquireOptions)
    }
    return leasedCopyTo(() => this.#background.now(), acquire, sql, options, readErrorOf)
  }

  useRead<R>(
    route: ReadRoute,
    work: (lease: Lease) => Promise<R>,
    options: AcquireOptions | undefined,
  ): Promise<R> {
    return this.#runner.run(route, new UseCall(work, options))
  }

  async transactionRead<R>(
    route: ReadRoute,
    work: (tx: Transaction) => Promise<R>,
    options: TransactionOptions,
  ): Promise<R> {
    if (options.isolation !== 'serializable') {
      return await this.#runner.run(route, new TransactionCall(work, options))
    }
    // A standby refuses serializable transactions (0A000), so this is no last resort but where they belong.
    if (this.closed) throw new PoolClosedError(this.name)
    try {
      return await this.#primary.transaction(work, { ...options, readOnly: true })
    } catch (error) {
      throw readErrorOf(error)
    }
  }

  explainRoute(statement: string | Statement, options?: QueryOptions): RouteExplanation {
    const { options: checked = {} } =
      typeof statement === 'string'
        ? readQueryArguments(statement, undefined, options)
        : readQueryArguments(statement, options)
    const own = checked.maxStalenessMs
    const route =
      own === undefined ? this.#route : this.#routeFor(checkMaxStaleness('explainRoute', own))
    return explainRoute(
      checked.intent ?? 'write',
      route,
      this.#replicas(),
      primaryPoolOf(this.#primary).name,
      this.#background.now(),
    )
  }

  // ── what the runner asks ─────────────────────────────────────────────────────────────────────────────────────────

  lastResort(): ReadTarget {
    const { standIn } = this.#membership
    // It refuses writes by itself, that is why it only stands in.
    if (standIn !== undefined) return { pool: standIn.pool, writable: false }
    return { pool: this.#primary, writable: true }
  }

  limitsPrimary(): boolean {
    return this.#replicas().length > 0
  }

  describe(route: ReadRoute): string {
    return describeCandidates(route, this.#replicas(), this.#background.now())
  }

  failed(node: ReplicaNode, error: unknown, call: ReadCall<unknown>): void {
    if (this.closed) return
    // Once code of the caller has run, the error may be about another server altogether: a probe decides.
    if (isNodeFailure(error) && !call.started) this.#ejection.failed(node, error)
    else if (isNodeFailure(error) || afterFailure(error) === 'unsent') this.#ejection.question(node)
    else return
    this.#membership.suspect(node)
  }

  // ── the rest of a pool ───────────────────────────────────────────────────────────────────────────────────────────

  stats(): PoolStats {
    const nodes: Record<string, PoolStats> = {}
    const add = (name: string, stats: PoolStats): void => {
      let unique = name
      for (let copy = 2; unique in nodes; copy++) unique = `${name} #${copy}`
      nodes[unique] = stats
    }
    const primary = this.#primary.stats()
    if (primary.nodes === undefined) add(this.#primary.name, primary)
    else for (const [name, stats] of Object.entries(primary.nodes)) add(name, stats)
    for (const pool of this.#membership.owned) add(pool.name, pool.stats())
    return sumStats(nodes)
  }

  on<Name extends PoolEventName>(event: Name, listener: PoolListener<Name>): this {
    this.#relay.on(event, listener)
    return this
  }

  off<Name extends PoolEventName>(event: Name, listener: PoolListener<Name>): this {
    this.#relay.off(event, listener)
    return this
  }

  close(options?: CloseOptions): Promise<void> {
    this.#closing ??= this.#close(options)
    return this.#closing
  }

  async #close(options: CloseOptions | undefined): Promise<void> {
    this.#background.stop()
    this.#membership.stop()
    this.#ejection.stop()
    this.#gate.close(new PoolClosedError(this.name))
    const pools = [this.#primary, ...this.#membership.owned]
    const ends = await Promise.allSettled(pools.map((pool) => pool.close(options)))
    for (const end of ends) if (end.status === 'rejected') throw end.reason
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #replicas(): readonly ReplicaNode[] {
    const primary = primaryPoolOf(this.#primary)
    return this.#set.nodes.filter(({ pool }) => pool !== primary)
  }

  #routeFor(maxStalenessMs: number): ReadRoute {
    if (maxStalenessMs === this.#route.maxStalenessMs) return this.#route
    let route = this.#routes.get(maxStalenessMs)
    if (route === undefined) {
      if (this.#routes.size >= MOST_ROUTES) this.#routes.clear()
      route = this.#makeRoute(maxStalenessMs)
      this.#routes.set(maxStalenessMs, route)
    }
    return route
  }

  #makeRoute(maxStalenessMs: number): ReadRoute {
    return new ReadRoute(this.#set, this.#balancer, this.#config.zone, maxStalenessMs)
  }
}
