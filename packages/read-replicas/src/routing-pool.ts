import {
  type CloseOptions,
  type Pool,
  PoolClosedError,
  type PoolEventName,
  type PoolListener,
  type PoolStats,
  type QueryOptions,
  type QueryResult,
  type Statement,
} from '@poolhouse/core'
import {
  awaitIdle,
  type CallChanges,
  type CheckedCloseOptions,
  EventRelay,
  type PoolCall,
  PoolDecorator,
  readCloseOptions,
  readQueryArguments,
  sumStats,
} from '@poolhouse/core/kit'
import type { ReplicaPool, ReplicaSession } from './api/replica-pool.js'
import { ambient } from './api/run-with.js'
import { Background } from './base/background.js'
import { blameOf } from './base/read-failure.js'
import { RoutingCounters } from './base/routing-counters.js'
import { TextRoutes } from './classify/text-routes.js'
import { Ejection } from './nodes/ejection.js'
import { type Membership, primaryPoolOf } from './nodes/membership.js'
import type { ReplicaNode } from './nodes/replica-node.js'
import { ReplicaSet } from './nodes/replica-set.js'
import type {
  ReaderOptions,
  ReplicaSessionOptions,
  ReplicasConfig,
} from './options/replicas-options.js'
import type { History } from './position/history.js'
import type { OnPrimary } from './read/classified-read.js'
import { ClassifiedReads } from './read/classified-reads.js'
import type { ReadScope } from './read/declared-reads.js'
import { DeclaredReads } from './read/declared-reads.js'
import { NameCatalog } from './read/name-catalog.js'
import type { ReadCall, ReadTarget } from './read/read-call.js'
import { HedgeBudget } from './read/read-race.js'
import { type ReadHost, ReadRunner } from './read/read-runner.js'
import { StandbyRefusals } from './read/standby-refusals.js'
import { Readiness } from './readiness.js'
import { createBalancer } from './route/balancer.js'
import {
  describeCandidates,
  explainRoute,
  type RouteCause,
  type RouteExplanation,
} from './route/explain-route.js'
import { FreshWait } from './route/fresh-wait.js'
import { PrimaryGate } from './route/primary-gate.js'
import { PrimaryLimit } from './route/primary-limit.js'
import type { ReadRoute } from './route/read-route.js'
import { ReadRoutes } from './route/read-route.js'
import { Positions } from './session/positions.js'
import { SessionMaker } from './session/session-maker.js'
import { ReaderPool } from './views/reader-pool.js'
import { SessionPool } from './views/session-pool.js'

/** Makes the membership of a pool, when the parts that it feeds exist. */
export type MembershipMaker = (parts: {
  background: Background
  set: ReplicaSet
  ejection: Ejection
  history: History
}) => Membership

/**
 * Decides for each call between primary and replica. What is known of the nodes, who is shut out
 * and who waits is owned by its parts.
 */
export class RoutingPool extends PoolDecorator implements ReplicaPool, ReadHost {
  readonly name: string
  readonly readRetries: number
  readonly hedgeAfterMs: number | undefined
  readonly limitsNodes: boolean
  readonly #primary: Pool
  readonly #background: Background
  readonly #set = new ReplicaSet()
  readonly #routes: ReadRoutes
  readonly #scope: ReadScope
  readonly #runner: ReadRunner
  readonly #reads: DeclaredReads
  readonly #texts: TextRoutes
  // Undefined unless texts are told apart by names of the database.
  readonly #names: NameCatalog | undefined
  readonly #classified: ClassifiedReads
  readonly #counters = new RoutingCounters()
  readonly #positions: Positions
  readonly #sessions: SessionMaker
  readonly #freshWait: FreshWait
  readonly #ejection: Ejection
  readonly #membership: Membership
  readonly #gate: PrimaryGate
  readonly #refusals = new StandbyRefusals()
  readonly #readiness: Readiness
  readonly #relay: EventRelay
  #closing: Promise<void> | undefined
  // Whether the last call was served, or refused.
  #stopped = false

  /** Takes checked options; `withReplicas` is the public way. */
  constructor(primary: Pool, config: ReplicasConfig, makeMembership: MembershipMaker) {
    super()
    this.name = config.name
    this.readRetries = config.readRetries
    this.#primary = primary
    this.hedgeAfterMs = config.hedgeAfterMs
    this.limitsNodes = config.maxReadsPerNode < Number.POSITIVE_INFINITY
    this.#background = new Background(config.name, config.clock)
    const balancer = createBalancer(config.strategy, config.random, config.weights)
    this.#routes = new ReadRoutes({ ...config, set: this.#set, balancer }, config.terms)
    this.#scope = { route: this.#routes.standard, session: undefined, own: false }
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
    const runner = this.#runner
    const now = (): number => this.#background.now()
    this.#reads = new DeclaredReads({
      routes: this.#routes,
      runner,
      counters: this.#counters,
      checkOpen: () => this.#checkOpen(),
      primary: () => this.#writable(),
      ambientSession: () => this.#ambientSession()?.scope.session,
      now,
    })
    const names =
      config.classifier?.usesNames === true ? new NameCatalog(primary, this.#background) : undefined
    this.#names = names
    this.#texts = new TextRoutes(config.classifier, names && (() => names.current()))
    this.#classified = new ClassifiedReads({
      texts: this.#texts,
      names,
      runner,
      primary,
      counters: this.#counters,
      reads: this.#reads,
      checkOpen: () => this.#checkOpen(),
      now,
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
      history: this.#positions.history,
    })
    this.#readiness = new Readiness({
      primary,
      set: this.#set,
      membership: this.#membership,
      freshWait: this.#freshWait,
      background: this.#background,
      names,
    })
    this.#sessions = new SessionMaker(config, this.#background, this.#positions, this.#counters)
    this.#set.onChange(() => {
      this.#gate.reconsider()
      this.#freshWait.reconsider()
    })
    this.#relay = new EventRelay(this.#background.hub, [primary, ...this.#membership.owned])
    names?.begin()
  }

  get closed(): boolean {
    return this.#stopped
  }

  #checkOpen(): void {
    if (this.#closing !== undefined) throw new PoolClosedError(this.name)
  }

  // ── calls ──

  /** Measured: without an object for the call. */
  override query<Row = Record<string, unknown>>(
    first: string | Statement,
    second?: readonly unknown[] | QueryOptions,
    third?: QueryOptions,
  ): Promise<QueryResult<Row>> {
    try {
      const { statement, options } = readQueryArguments(first, second, third)
      this.#checkOpen()
      const intent = options?.intent ?? ambient()?.intent
      if (intent === 'read') {
        this.#names?.current()
        return this.#reads.query<Row>(this.#scope, statement, options)
      }
      const onPrimary: OnPrimary<Row> = (own, limits) => this.#queryWrite<Row>(own, limits)
      if (intent === 'write') return this.#classified.write<Row>(statement, options, onPrimary)
      return this.#classified.query<Row>(this.#scope, statement, options, onPrimary)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  protected async send<R>(call: PoolCall<R>): Promise<R> {
    this.#checkOpen()
    if (call.kind === 'ready') {
      return await call.run({ ready: (options) => this.#readiness.wait(options) })
    }
    if (call.kind === 'listen') return await call.run(this.#writable())
    if (call.kind === 'copyFrom') return await this.#write(call)
    const intent = call.intent ?? ambient()?.intent
    if (intent === 'read') {
      this.#names?.current()
      return await this.#reads.run(this.#scope, call)
    }
    const isStream = call.kind === 'stream' || call.kind === 'copyTo'
    if (!isStream) return await this.#write(call)
    // Its text has been looked at by then.
    const onPrimary = (left?: CallChanges): Promise<R> =>
      this.#write(call, { ...left, intent: 'write' })
    if (intent === 'write') return await onPrimary()
    return await this.#classified.stream(this.#scope, call, onPrimary)
  }

  reader(options: ReaderOptions = {}): Pool {
    const scope = this.#reads.narrowed(this.#scope, options)
    return new ReaderPool(`${this.name}/reader`, this, this.#reads, scope)
  }

  session(token?: string, options: ReplicaSessionOptions = {}): ReplicaSession {
    const { reads: session, terms } = this.#sessions.begin(token, options)
    const scope = { route: this.#routes.of(terms), session, own: true }
    return new SessionPool(`${this.name}/session`, this, scope, {
      reads: this.#reads,
      classified: this.#classified,
      maker: this.#sessions,
      checkOpen: () => this.#checkOpen(),
      writable: () => this.#writable(),
      countWrite: () => this.#counters.count('write'),
      now: () => this.#background.now(),
    })
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

  #write<R>(call: PoolCall<R>, changes?: CallChanges): Promise<R> {
    return call.run(this.#writer(), changes)
  }

  /** Where work goes that is no read: to the primary, through the session it belongs to. */
  #writer(): Pool {
    const session = this.#ambientSession()
    if (session !== undefined) return session
    this.#counters.count('write')
    return this.#writable()
  }

  #writable(): Pool {
    if (this.#stopped) throw new PoolClosedError(this.name)
    return this.#primary
  }

  #ambientSession(): SessionPool | undefined {
    const given = ambient()?.session
    const session = given?.of ?? given
    return session instanceof SessionPool && session.belongsTo(this) ? session : undefined
  }

  explainRoute(statement: string | Statement, options?: QueryOptions): RouteExplanation {
    const { statement: checkedStatement, options: checked = {} } =
      typeof statement === 'string'
        ? readQueryArguments(statement, undefined, options)
        : readQueryArguments(statement, options)
    const { route } = this.#reads.scopeOf(this.#scope, checked, 'explainRoute')
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
    const { to, by, classification } = this.#texts.routeOf(text, this.#names?.isBeginning)
    return { by, intent: to === 'primary' ? 'write' : 'read', classification }
  }

  get strays(): ReadonlyMap<string, string> {
    const found = new Map<string, string>()
    for (const { node, stray } of this.#set.nodes) if (stray !== undefined) found.set(node, stray)
    return found
  }

  // ── what the runner asks ──

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
    // Once code of the caller has run, the error may be about another server altogether: a probe
    // decides.
    const blame = blameOf(error)
    if (blame === 'none' || blame === 'own') return
    this.#ejection.question(node)
    this.#membership.suspect(node)
  }

  // ── the rest of a pool ──

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

  close(options: CloseOptions = {}): Promise<void> {
    if (this.#closing === undefined) {
      let checked: CheckedCloseOptions
      try {
        // Before anything is stopped.
        checked = readCloseOptions(options)
      } catch (error) {
        return Promise.reject(error as Error)
      }
      this.#closing = this.#close(checked)
    }
    return this.#closing
  }

  async #close({ timeoutMs, waiters }: CheckedCloseOptions): Promise<void> {
    const { clock } = this.#background
    const deadline = clock.now() + timeoutMs
    // Reads that were let in may still wait for a replica, or for their turn on the primary.
    if (waiters === 'serve') await awaitIdle(clock, () => this.#underWay, deadline)
    this.#stopped = true
    this.#background.stop()
    this.#membership.stop()
    this.#ejection.stop()
    this.#positions.stop()
    this.#freshWait.close()
    this.#gate.close(new PoolClosedError(this.name))
    const pools = [this.#primary, ...this.#membership.owned]
    const left = { timeoutMs: Math.max(0, deadline - clock.now()), waiters }
    const ends = await Promise.allSettled(pools.map((pool) => pool.close(left)))
    for (const end of ends) if (end.status === 'rejected') throw end.reason
  }

  /** Calls that have not been answered. */
  get #underWay(): number {
    const { leased, pending } = this.stats()
    return this.#runner.underWay + leased + pending
  }

  #replicas(): readonly ReplicaNode[] {
    const primary = primaryPoolOf(this.#primary)
    return this.#set.nodes.filter(({ origin }) => origin !== primary)
  }
}
