import {
  type CloseOptions,
  type Pool,
  PoolClosedError,
  type PoolStats,
  type QueryOptions,
  type QueryResult,
  type Statement,
  type TopologySnapshot,
} from '@poolhouse/core'
import {
  awaitIdle,
  type CallChanges,
  type CheckedCloseOptions,
  type Driven,
  EventRelay,
  type PoolCall,
  RelayingPool,
  readCloseOptions,
  readQueryArguments,
  sumStats,
  type Watched,
} from '@poolhouse/core/kit'
import type { ReplicaPool, ReplicaSession } from './api/replica-pool.js'
import { ambient } from './api/run-with.js'
import { Background } from './base/background.js'
import { RoutingCounters } from './base/routing-counters.js'
import { TextRoutes } from './classify/text-routes.js'
import { Ejection } from './nodes/ejection.js'
import { type Membership, primaryPoolOf, topologyOf } from './nodes/membership.js'
import { observedTopology } from './nodes/observed-topology.js'
import { ReplicaSet } from './nodes/replica-set.js'
import type { ReplicasConfig } from './options/replicas-config.js'
import type { ReaderOptions, ReplicaSessionOptions } from './options/replicas-options.js'
import { History } from './position/history.js'
import type { OnPrimary } from './read/classified-read.js'
import { ClassifiedReads } from './read/classified-reads.js'
import type { ReadScope } from './read/declared-reads.js'
import { DeclaredReads } from './read/declared-reads.js'
import { NameCatalog } from './read/name-catalog.js'
import { ReadRunner } from './read/read-runner.js'
import { ReadServers } from './read/read-servers.js'
import { StandbyRefusals } from './read/standby-refusals.js'
import { Readiness } from './readiness.js'
import { createBalancer } from './route/balancer.js'
import { explainRoute, type RouteCause, type RouteExplanation } from './route/explain-route.js'
import { FreshWait } from './route/fresh-wait.js'
import { PrimaryGate } from './route/primary-gate.js'
import { PrimaryLimit } from './route/primary-limit.js'
import { ReadRoutes } from './route/read-route.js'
import { Positions } from './session/positions.js'
import { SessionMaker } from './session/session-maker.js'
import { ReaderPool } from './views/reader-pool.js'
import { SessionPool } from './views/session-pool.js'

/** Makes the membership of a pool from the parts that it feeds. */
export type MembershipMaker = (parts: {
  background: Background
  set: ReplicaSet
  ejection: Ejection
  history: History
}) => Membership

/**
 * Sends each call to the primary or to a replica. Which nodes there are, which of them are ejected
 * and which calls wait is owned by its parts.
 */
export class RoutingPool extends RelayingPool implements ReplicaPool, Driven, Watched {
  readonly name: string
  readonly #primary: Pool
  readonly #background: Background
  readonly #routes: ReadRoutes
  readonly #scope: ReadScope
  readonly #servers: ReadServers
  readonly #runner: ReadRunner
  readonly #reads: DeclaredReads
  readonly #classified: ClassifiedReads
  readonly #texts: TextRoutes
  // Undefined unless the classifier needs the names of the database.
  readonly #names: NameCatalog | undefined
  readonly #counters = new RoutingCounters()
  readonly #set = new ReplicaSet()
  readonly #membership: Membership
  readonly #ejection: Ejection
  readonly #positions: Positions
  readonly #sessions: SessionMaker
  readonly #gate: PrimaryGate
  readonly #freshWait: FreshWait
  readonly #refusals = new StandbyRefusals()
  readonly #readiness: Readiness
  readonly #relay: EventRelay
  // Made once, and not for each call.
  readonly #onPrimary: OnPrimary<unknown> = (own, limits) => this.#queryWrite(own, limits)
  #closing: Promise<void> | undefined

  /** Takes checked options; `withReplicas` is the public way. */
  constructor(primary: Pool, config: ReplicasConfig, makeMembership: MembershipMaker) {
    super()
    this.name = config.name
    this.#primary = primary
    const background = new Background(config.name, config.clock)
    this.#background = background
    const set = this.#set
    const counters = this.#counters
    const balancer = createBalancer(config.strategy, config.random, config.weights)
    this.#routes = new ReadRoutes({ ...config, set, balancer }, config.terms)
    this.#scope = { route: this.#routes.standard, session: undefined, own: false }
    this.#ejection = new Ejection(
      set,
      (node) => this.#routes.standard.fitsBeside(node, background.now()),
      background,
      config.random,
    )
    const history = new History(() => this.#membership.topology ?? topologyOf(primary))
    this.#membership = makeMembership({ background, set, ejection: this.#ejection, history })
    this.#positions = new Positions(primary, this.#membership, history, background)
    const limit = new PrimaryLimit(primary, config.primaryShare, config.clock)
    this.#gate = new PrimaryGate(background, () => limit.current())
    this.#freshWait = new FreshWait(background)
    this.#servers = new ReadServers(primary, set, this.#membership, this.#ejection, background)
    const runner = new ReadRunner(config, {
      background,
      servers: this.#servers,
      gate: this.#gate,
      freshWait: this.#freshWait,
      counters,
      refusals: this.#refusals,
    })
    this.#runner = runner
    const reads = new DeclaredReads({
      routes: this.#routes,
      runner,
      counters,
      primary,
      background,
      ambientSession: () => this.#ambientSession()?.scope.session,
    })
    this.#reads = reads
    const names =
      config.classifier?.usesNames === true ? new NameCatalog(primary, background) : undefined
    this.#names = names
    const texts = new TextRoutes(config.classifier, names && (() => names.current()))
    this.#texts = texts
    const parts = { texts, names, runner, primary, counters, reads, background }
    this.#classified = new ClassifiedReads(parts)
    this.#readiness = new Readiness({
      primary,
      set,
      membership: this.#membership,
      freshWait: this.#freshWait,
      background,
      names,
    })
    this.#sessions = new SessionMaker(config, background, this.#positions, counters)
    set.onChange(() => {
      this.#gate.reconsider()
      this.#freshWait.reconsider()
    })
    this.#relay = new EventRelay(background.hub, [primary, ...this.#membership.owned])
    names?.begin()
  }

  get drivenBy(): Iterable<Pool> {
    const nodes = this.#membership.topology?.current.nodes ?? []
    return [this.#primary, ...this.#membership.owned, ...nodes.map(({ pool }) => pool)]
  }

  get connectsWith(): Pool {
    return this.#primary
  }

  get observedTopology(): TopologySnapshot {
    const now = this.#background.now()
    return (
      this.#membership.topology?.current ?? observedTopology(this.#primary, this.#set.nodes, now)
    )
  }

  // ── calls ──

  /** Not through `send`, which makes an object for each call: measured. */
  override query<Row = Record<string, unknown>>(
    first: string | Statement,
    second?: readonly unknown[] | QueryOptions,
    third?: QueryOptions,
  ): Promise<QueryResult<Row>> {
    try {
      const { statement, options } = readQueryArguments(first, second, third)
      this.#background.checkOpen()
      const intent = options?.intent ?? ambient()?.intent
      if (intent === 'read') {
        this.#names?.current()
        return this.#reads.query<Row>(this.#scope, statement, options)
      }
      const onPrimary = this.#onPrimary as OnPrimary<Row>
      if (intent === 'write') return this.#classified.write<Row>(statement, options, onPrimary)
      return this.#classified.query<Row>(this.#scope, statement, options, onPrimary)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  protected async send<R>(call: PoolCall<R>): Promise<R> {
    this.#background.checkOpen()
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
    // `write`, so that a session below does not classify the text again.
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
    const { memory: session, terms, isAmbient } = this.#sessions.begin(token, options)
    const { maxStalenessMs, maxStalenessBytes } = options
    const own = !isAmbient || (maxStalenessMs ?? maxStalenessBytes) !== undefined
    const scope = { route: this.#routes.of(terms), session, own }
    return new SessionPool(`${this.name}/session`, this, scope, {
      primary: this.#primary,
      background: this.#background,
      counters: this.#counters,
      reads: this.#reads,
      classified: this.#classified,
      maker: this.#sessions,
      isAmbient,
    })
  }

  #queryWrite<Row>(
    statement: Statement,
    options: QueryOptions | undefined,
  ): Promise<QueryResult<Row>> {
    const session = this.#ambientSession()
    if (session === undefined) return this.#writer().query<Row>(statement, options)
    // `write`, so that the session does not classify the text again.
    return session.query<Row>(statement, { ...options, intent: 'write' })
  }

  #write<R>(call: PoolCall<R>, changes?: CallChanges): Promise<R> {
    return call.run(this.#writer(), changes)
  }

  /** Where work goes that is no read: to the session of `runWith`, else to the primary. */
  #writer(): Pool {
    const session = this.#ambientSession()
    if (session !== undefined) return session
    this.#counters.count('write')
    return this.#writable()
  }

  #writable(): Pool {
    this.#background.checkRunning()
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
      this.#servers.replicas,
      primaryPoolOf(this.#primary).name,
      this.#background.now(),
    )
  }

  /** What says whether the statement is a read, and one that a replica can run. */
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
    const onNodes = Object.values(nodes).reduce((sum, { pending }) => sum + pending, 0)
    for (const pool of this.#membership.owned) add(pool.name, pool.stats())
    const sum = sumStats(nodes)
    // Calls that are held because there is no primary wait at none of its nodes.
    const pending = sum.pending + primary.pending - onNodes
    return Object.freeze({ ...sum, pending, routing: this.#counters.snapshot() })
  }

  protected override keeperOf(): EventRelay {
    return this.#relay
  }

  close(options: CloseOptions = {}): Promise<void> {
    try {
      // Wrong options stop nothing.
      this.#closing ??= this.#close(readCloseOptions(options))
      return this.#closing
    } catch (error) {
      return Promise.reject(error)
    }
  }

  async #close({ timeoutMs, waiters }: CheckedCloseOptions): Promise<void> {
    const { clock } = this.#background
    this.#background.refuseCalls()
    const deadline = clock.now() + timeoutMs
    // Reads may still wait for a replica, or for their turn on the primary.
    if (waiters === 'serve') await awaitIdle(clock, () => this.#underWay, deadline)
    this.#background.stop()
    this.#membership.stop()
    this.#ejection.stop()
    this.#positions.stop()
    this.#freshWait.close()
    this.#gate.close(() => new PoolClosedError(this.name))
    const pools = [this.#primary, ...this.#membership.owned]
    const left = { timeoutMs: Math.max(0, deadline - clock.now()), waiters }
    const ends = await Promise.allSettled(pools.map((pool) => pool.close(left)))
    for (const end of ends) if (end.status === 'rejected') throw end.reason
  }

  /** How many calls have not been answered yet. */
  get #underWay(): number {
    const { leased, pending } = this.stats()
    return this.#runner.underWay + leased + pending
  }
}
