import {
  type AcquireOptions,
  type CloseOptions,
  type CopyOptions,
  type CopyResult,
  type CopySource,
  type CopyToOptions,
  checkCopyToArguments,
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
  type ReadyOptions,
  readQueryArguments,
  readStreamArguments,
  type Statement,
  type StreamIterator,
  type StreamOptions,
  type Subscription,
  sumStats,
  type Transaction,
  type TransactionOptions,
} from '@poolhouse/core'
import { ambient } from './ambient.js'
import { Background } from './background.js'
import { createBalancer } from './balancer.js'
import type { OnPrimary } from './classify/classified-call.js'
import { RerunStream } from './classify/rerun-stream.js'
import { TextRoutes } from './classify/text-routes.js'
import { UnannotatedWork } from './classify/unannotated-work.js'
import { Ejection } from './ejection.js'
import {
  describeCandidates,
  explainRoute,
  type RouteCause,
  type RouteExplanation,
} from './explain-route.js'
import { FreshWait } from './fresh-wait.js'
import { HedgeBudget } from './hedge-budget.js'
import { type Membership, primaryPoolOf } from './membership.js'
import type { Position } from './position.js'
import { Positions } from './positions.js'
import { PrimaryGate } from './primary-gate.js'
import { PrimaryLimit } from './primary-limit.js'
import {
  AcquireCall,
  type ReadCall,
  type ReadTarget,
  TransactionCall,
  UseCall,
} from './read-call.js'
import { blameOf, isStandbyRefusal, readErrorOf } from './read-failure.js'
import type { ReadRoute } from './read-route.js'
import { ReadRoutes } from './read-routes.js'
import { type ReadHost, ReadRunner } from './read-runner.js'
import { ReaderPool, type ReadLane } from './reader-pool.js'
import { Readiness } from './readiness.js'
import type { ReplicaNode } from './replica-node.js'
import type { ReplicaPool, ReplicaSession } from './replica-pool.js'
import { ReplicaSet } from './replica-set.js'
import {
  type ReaderOptions,
  type ReplicaSessionOptions,
  type ReplicasConfig,
  readReaderOptions,
  readTerms,
} from './replicas-options.js'
import { RoutingCounters } from './routing-counters.js'
import { SessionMaker } from './session-maker.js'
import { SessionPool, type SessionPoolHost } from './session-pool.js'
import { StandbyRefusals } from './standby-refusals.js'

/** Makes the membership of a pool, when the parts that it feeds exist. */
export type MembershipMaker = (parts: {
  background: Background
  set: ReplicaSet
  ejection: Ejection
  primarySaid: (position: Position) => void
}) => Membership

/** Decides for each call between primary and replica. What is known of the nodes, who is shut out and who waits is owned by its parts. */
export class RoutingPool implements ReplicaPool, SessionPoolHost, ReadHost {
  readonly name: string
  readonly readRetries: number
  readonly hedgeAfterMs: number | undefined
  readonly limitsNodes: boolean
  readonly unannotated: UnannotatedWork
  readonly #primary: Pool
  readonly #background: Background
  readonly #set = new ReplicaSet()
  readonly #routes: ReadRoutes
  readonly #lane: ReadLane
  readonly #texts: TextRoutes
  readonly #counters = new RoutingCounters()
  readonly #positions: Positions
  readonly #sessions: SessionMaker
  readonly #freshWait: FreshWait
  readonly #ejection: Ejection
  readonly #membership: Membership
  readonly #gate: PrimaryGate
  readonly #runner: ReadRunner
  readonly #refusals = new StandbyRefusals()
  readonly #readiness: Readiness
  readonly #relay: EventRelay
  #closing: Promise<void> | undefined

  /** Takes checked options; `withReplicas` is the public way. */
  constructor(primary: Pool, config: ReplicasConfig, makeMembership: MembershipMaker) {
    this.name = config.name
    this.readRetries = config.readRetries
    this.#primary = primary
    this.hedgeAfterMs = config.hedgeAfterMs
    this.limitsNodes = config.maxReadsPerNode < Number.POSITIVE_INFINITY
    this.#background = new Background(config.name, config.clock)
    const balancer = createBalancer(config.strategy, config.random, config.weights)
    this.#routes = new ReadRoutes({ ...config, set: this.#set, balancer }, config.terms)
    this.#lane = { route: this.#routes.standard, session: undefined, own: false }
    const limit = new PrimaryLimit(primary, config.primaryShare, config.clock)
    this.#gate = new PrimaryGate(this.#background, () => limit.current())
    this.#freshWait = new FreshWait(this.#background)
    this.#runner = new ReadRunner(this, {
      background: this.#background,
      gate: this.#gate,
      freshWait: this.#freshWait,
      counters: this.#counters,
      hedges: new HedgeBudget(),
      refusals: this.#refusals,
    })
    this.#texts = new TextRoutes(config.classifier)
    this.unannotated = new UnannotatedWork({
      texts: this.#texts,
      runner: this.#runner,
      primary,
      counters: this.#counters,
      reads: this,
      laneOf: (lane, call, where) => this.#laneOf(lane, call, where),
      checkOpen: () => this.writable(),
      now: () => this.#background.now(),
    })
    this.#ejection = new Ejection(
      {
        set: this.#set,
        anotherFits: (node) => this.#routes.standard.fitsBeside(node, this.#background.now()),
      },
      this.#background,
      config.random,
    )
    this.#positions = new Positions(
      {
        primary,
        topology: () => this.#membership.topology,
        samplerOf: (pool) => this.#membership.samplerOf(pool),
      },
      this.#background,
    )
    this.#membership = makeMembership({
      background: this.#background,
      set: this.#set,
      ejection: this.#ejection,
      primarySaid: (position) => this.#positions.primarySaid(position),
    })
    this.#readiness = new Readiness({
      primary,
      set: this.#set,
      membership: this.#membership,
      freshWait: this.#freshWait,
      background: this.#background,
    })
    this.#sessions = new SessionMaker(config, this.#background, this.#positions, this.#counters)
    this.#set.onChange(() => {
      this.#gate.reconsider()
      this.#freshWait.reconsider()
    })
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
      const intent = options?.intent ?? ambient()?.intent
      if (intent === 'read') return this.queryRead<Row>(this.#lane, statement, options)
      if (intent === 'write') return this.#queryWrite<Row>(statement, options)
      const onPrimary: OnPrimary<Row> = (own, limits) => this.#queryWrite<Row>(own, limits)
      return this.unannotated.query<Row>(this.#lane, statement, options, onPrimary)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  async acquire(options?: AcquireOptions): Promise<Lease> {
    const intent = options?.intent ?? ambient()?.intent
    if (intent === 'read') return await this.acquireRead(this.#lane, options)
    return await this.#writer().acquire(options)
  }

  async use<R>(work: (lease: Lease) => Promise<R>, options?: AcquireOptions): Promise<R> {
    const intent = options?.intent ?? ambient()?.intent
    if (intent === 'read') return await this.useRead(this.#lane, work, options)
    return await this.#writer().use(work, options)
  }

  async transaction<R>(
    work: (tx: Transaction) => Promise<R>,
    options: TransactionOptions = {},
  ): Promise<R> {
    const readOnly = options.readOnly ?? ambient()?.intent === 'read'
    if (readOnly) return await this.transactionRead(this.#lane, work, options)
    return await this.#writer().transaction(work, options)
  }

  async listen(
    channel: string,
    onNotify: NotifyListener,
    options?: ListenOptions,
  ): Promise<Subscription> {
    return await this.writable().listen(channel, onNotify, options)
  }

  stream<Row = Record<string, unknown>>(
    first: string | Statement,
    second?: readonly unknown[] | StreamOptions,
    third?: StreamOptions,
  ): StreamIterator<Row> {
    const { statement, options } = readStreamArguments(first, second, third)
    const intent = options?.intent ?? ambient()?.intent
    if (intent === 'read') return this.streamRead<Row>(this.#lane, statement, options)
    const onPrimary = (): StreamIterator<Row> =>
      (this.#ambientSession() ?? this.#primary).stream<Row>(statement, {
        ...options,
        intent: 'write',
      })
    if (intent === 'write') return onPrimary()
    return this.unannotated.stream<Row>(this.#lane, statement, options, onPrimary)
  }

  copyTo(sql: string, options?: CopyToOptions): StreamIterator<Uint8Array> {
    checkCopyToArguments(sql, options)
    const onPrimary = (): StreamIterator<Uint8Array> => {
      const session = this.#ambientSession()
      return session === undefined
        ? this.#primary.copyTo(sql, { ...options, intent: 'write' })
        : session.copyToPrimary(sql, options)
    }
    switch (options?.intent ?? ambient()?.intent) {
      case 'read':
        return this.copyToRead(this.#lane, sql, options)
      case 'write':
        return onPrimary()
      case undefined:
        return this.unannotated.copyTo(this.#lane, sql, options, onPrimary)
    }
  }

  copyFrom(sql: string, source: CopySource, options?: CopyOptions): Promise<CopyResult> {
    return (this.#ambientSession() ?? this.#primary).copyFrom(sql, source, options)
  }

  reader(options: ReaderOptions = {}): Pool {
    return this.readerOf(this.#lane, options)
  }

  readerOf(lane: ReadLane, options: ReaderOptions): Pool {
    const terms = readReaderOptions(options, lane.route.terms)
    const own = lane.own || Object.values(options).some((option) => option !== undefined)
    const route = own ? this.#routes.of(terms) : lane.route
    return new ReaderPool(`${this.name}/reader`, this, { route, session: lane.session, own })
  }

  session(token?: string, options: ReplicaSessionOptions = {}): ReplicaSession {
    const { reads, terms } = this.#sessions.begin(token, options)
    const lane = { route: this.#routes.of(terms), session: reads, own: true }
    return new SessionPool(`${this.name}/session`, this, lane, this.#sessions.codec)
  }

  async ready(options?: ReadyOptions): Promise<void> {
    await this.#readiness.wait(options)
  }

  writable(): Pool {
    if (this.closed) throw new PoolClosedError(this.name)
    return this.#primary
  }

  now(): number {
    return this.#background.now()
  }

  #queryWrite<Row>(
    statement: Statement,
    options: QueryOptions | undefined,
  ): Promise<QueryResult<Row>> {
    const session = this.#ambientSession()
    if (session === undefined) return this.#writer().query<Row>(statement, options)
    // Its text has been looked at already.
    return session.query<Row>(statement, { ...options, intent: 'write' })
  }

  /** Where work goes that is no read: to the primary, through the session it belongs to. */
  #writer(): Pool {
    const session = this.#ambientSession()
    if (session !== undefined) return session
    this.countWrite()
    return this.writable()
  }

  countWrite(): void {
    this.#counters.count('write')
  }

  #ambientSession(): SessionPool | undefined {
    const given = ambient()?.session
    const session = given?.of ?? given
    return session instanceof SessionPool && session.belongsTo(this) ? session : undefined
  }

  /** What a read accepts and must see: as its view says, and otherwise as `runWith` says. */
  #laneOf(lane: ReadLane, call: QueryOptions | undefined, where: string): ReadLane {
    const around = ambient()
    let { route, session } = lane
    if (around !== undefined) {
      session ??= this.#ambientSession()?.lane.session
      if (!lane.own && (around.maxStalenessMs ?? around.maxStalenessBytes) !== undefined) {
        route = this.#routes.of(readTerms(where, pickBounds(around), route.terms))
      }
    }
    if ((call?.maxStalenessMs ?? call?.maxStalenessBytes) !== undefined) {
      route = this.#routes.of(readTerms(where, pickBounds(call!), route.terms))
    }
    return { route, session, own: true }
  }

  // ── reads ────────────────────────────────────────────────────────────────────────────────────────────────────────

  queryRead<Row>(
    lane: ReadLane,
    statement: Statement,
    options: QueryOptions | undefined,
  ): Promise<QueryResult<Row>> {
    if (this.closed) throw new PoolClosedError(this.name)
    const { route, session } = this.#laneOf(lane, options, 'query')
    return this.#runner.query<Row>(route, statement, options, session)
  }

  acquireRead(
    lane: ReadLane,
    options: AcquireOptions | undefined,
    call?: StreamOptions | CopyToOptions,
    primaryOnly?: boolean,
  ): Promise<Lease> {
    const { route, session } = this.#laneOf(lane, call ?? options, 'acquire')
    return this.#runner.run(route, new AcquireCall(options), session, primaryOnly)
  }

  streamRead<Row>(
    lane: ReadLane,
    statement: Statement,
    options: StreamOptions | undefined,
    admit?: () => void,
    failed?: (error: unknown) => unknown,
  ): StreamIterator<Row> {
    const open = (primaryOnly: boolean): StreamIterator<Row> => {
      const acquire = async (wait: AcquireOptions): Promise<Lease> => {
        admit?.()
        const only = primaryOnly || this.#refusals.has(statement.text, this.#background.now())
        return await this.acquireRead(lane, wait, options, only)
      }
      return leasedRows<Row>(acquire, statement, options, failed ?? readErrorOf)
    }
    if (failed !== undefined) return open(false)
    return new RerunStream(open(false), (error) =>
      this.#refused(error, statement.text) ? open(true) : undefined,
    )
  }

  copyToRead(
    lane: ReadLane,
    sql: string,
    options: CopyToOptions | undefined,
    admit?: () => void,
    failed?: (error: unknown) => unknown,
  ): StreamIterator<Uint8Array> {
    const now = (): number => this.#background.now()
    let startedAt: number | undefined
    const open = (
      primaryOnly: boolean,
      left: CopyToOptions | undefined,
    ): StreamIterator<Uint8Array> => {
      const acquire = async (wait: AcquireOptions): Promise<Lease> => {
        startedAt ??= now()
        admit?.()
        const only = primaryOnly || this.#refusals.has(sql, now())
        return await this.acquireRead(lane, wait, options, only)
      }
      return leasedCopyTo(now, acquire, sql, left, failed ?? readErrorOf)
    }
    if (failed !== undefined) return open(false, options)
    return new RerunStream(open(false, options), (error) => {
      if (!this.#refused(error, sql)) return undefined
      const { timeoutMs, ...others } = options ?? {}
      if (timeoutMs === undefined) return open(true, options)
      const leftMs = Math.max(1, Math.ceil(timeoutMs - (now() - (startedAt ?? now()))))
      return open(true, { ...others, timeoutMs: leftMs })
    })
  }

  /** Whether a replica refused to begin, because it is a standby; its like then begin on the primary. */
  #refused(error: unknown, text: string): boolean {
    if (!isStandbyRefusal(error)) return false
    this.#counters.count('reruns')
    this.#refusals.learn(text, this.#background.now())
    return true
  }

  useRead<R>(
    lane: ReadLane,
    work: (lease: Lease) => Promise<R>,
    options: AcquireOptions | undefined,
  ): Promise<R> {
    const { route, session } = this.#laneOf(lane, options, 'use')
    return this.#runner.run(route, new UseCall(work, options), session)
  }

  async transactionRead<R>(
    lane: ReadLane,
    work: (tx: Transaction) => Promise<R>,
    options: TransactionOptions,
  ): Promise<R> {
    const { route, session } = this.#laneOf(lane, options, 'transaction')
    if (options.isolation !== 'serializable') {
      return await this.#runner.run(route, new TransactionCall(work, options), session)
    }
    // A standby refuses serializable transactions (0A000), so this is no last resort but where they belong.
    const primary = this.writable()
    this.#counters.count('primarySerializable')
    const over = session?.begin(undefined)
    try {
      return await primary.transaction(work, { ...options, readOnly: true })
    } catch (error) {
      throw readErrorOf(error)
    } finally {
      over?.()
    }
  }

  explainRoute(statement: string | Statement, options?: QueryOptions): RouteExplanation {
    const { statement: checkedStatement, options: checked = {} } =
      typeof statement === 'string'
        ? readQueryArguments(statement, undefined, options)
        : readQueryArguments(statement, options)
    const { route } = this.#laneOf(this.#lane, checked, 'explainRoute')
    return explainRoute(
      this.#causeOf(checkedStatement.text, checked),
      route,
      this.#replicas(),
      primaryPoolOf(this.#primary).name,
      this.#background.now(),
    )
  }

  /** What says whether the statement is a read, and one that replicas can do. */
  #causeOf(text: string, options: QueryOptions): RouteCause {
    const cause = this.#intentOf(text, options)
    if (cause.intent === 'write' || !this.#refusals.has(text, this.#background.now())) return cause
    return { by: 'experience', intent: 'write' }
  }

  #intentOf(text: string, { intent }: QueryOptions): RouteCause {
    const around = ambient()?.intent
    if (intent !== undefined) return { by: 'call', intent }
    if (around !== undefined) return { by: 'runWith', intent: around }
    const { to, by, classification } = this.#texts.routeOf(text)
    return { by, intent: to === 'primary' ? 'write' : 'read', classification }
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
    if (!call.started) {
      if (this.#ejection.failed(node, error)) this.#membership.suspect(node)
      return
    }
    // Once code of the caller has run, the error may be about another server altogether: a probe decides.
    const blame = blameOf(error)
    if (blame === 'none' || blame === 'own') return
    this.#ejection.question(node)
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
    return Object.freeze({ ...sumStats(nodes), routing: this.#counters.snapshot() })
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
    this.#positions.stop()
    this.#freshWait.close()
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
}

function pickBounds({ maxStalenessMs, maxStalenessBytes }: ReaderOptions): ReaderOptions {
  return { maxStalenessMs, maxStalenessBytes }
}
