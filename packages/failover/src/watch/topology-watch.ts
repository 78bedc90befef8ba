import { isIP } from 'node:net'
import {
  type ClockTimer,
  type ConnectionPool,
  FencedError,
  type Topology,
  type TopologySnapshot,
} from '@poolhouse/core'
import { type EventHub, MAX_MS, type PresentHistory } from '@poolhouse/core/kit'
import type { Observation, ProbeFacts } from '../base/observation.js'
import { type ClusterView, factsOf, lifeOf } from '../judge/cluster-view.js'
import { type Consequence, consequences } from '../judge/consequences.js'
import { describeChange, type HeldCalls } from '../judge/describe-change.js'
import { fencedConnections } from '../judge/fenced-connections.js'
import { type Judgement, judge } from '../judge/judgement.js'
import {
  describeFencedClaims,
  describeNodes,
  sameRoles,
  snapshotOf,
} from '../judge/topology-snapshot.js'
import {
  acceptSystem,
  addNode,
  emptyView,
  endFirstRound,
  observe,
  removeNode,
  withhold,
} from '../judge/transitions.js'
import type { NodeSet } from '../nodes/node-set.js'
import type { FailoverConfig } from '../options/failover-options.js'
import { NodeMonitor } from '../probe/node-monitor.js'
import { probeDelay } from '../probe/probe-delay.js'
import { probeStatements } from '../probe/probe-statement.js'
import { LagReference } from './lag-reference.js'

type Listener = (snapshot: TopologySnapshot, previous: TopologySnapshot) => void

// How long the election of a first primary waits for nodes that have not answered.
const FIRST_ROUND_MS = 250
// Host names lead elsewhere after their time to live, which is seconds.
const RENEW_MS = 1_000
// A further name of a server may lead to another one later, as a reader endpoint does once a
// replica is back.
const RENEW_FURTHER_MS = 2_000

/** Options of `TopologyWatch`. */
export interface WatchOptions {
  readonly config: FailoverConfig
  readonly hub: EventHub
  /** The nodes. The owner of the set calls `add`, `remove` or `traitsChanged` after a change. */
  readonly nodes: NodeSet
  /** The calls that wait for a primary; undefined if there are none. */
  readonly held: () => HeldCalls | undefined
  /** Called after every change, once everything that follows from it has been done. */
  readonly changed: () => void
}

/** Watches the nodes, owns the newest view of them, and does what follows from a change. */
export class TopologyWatch implements Topology {
  readonly #config: FailoverConfig
  readonly #nodes: NodeSet
  readonly #hub: EventHub
  readonly #held: () => HeldCalls | undefined
  readonly #changed: () => void
  /** Why discovery fails, so that the list of nodes may be out of date. For messages. */
  discoveryFailure: string | undefined
  readonly #monitors = new Map<string, NodeMonitor>()
  readonly #denials = new Map<string, number>()
  readonly #listeners = new Set<Listener>()
  readonly #lagReference: LagReference
  #view: ClusterView
  #judgement: Judgement
  #current: TopologySnapshot
  #firstRound: ClockTimer | undefined
  #isFirstRoundLate = false
  #primary: ConnectionPool | undefined
  #stopped = false

  /** Watches nothing before `add`. */
  constructor({ config, hub, nodes, held, changed }: WatchOptions) {
    this.#nodes = nodes
    this.#config = config
    this.#hub = hub
    this.#held = held
    this.#changed = changed
    this.#lagReference = new LagReference(config.clock)
    this.#view = emptyView([], config)
    this.#judgement = judge(this.#view)
    this.#current = this.#snapshot(1)
  }

  /** Begins to probe these nodes of the set. The first call begins the first round of probes. */
  add(pools: readonly ConnectionPool[]): void {
    const { clock } = this.#config
    let view = this.#view
    for (const { name, pooler } of pools) view = addNode(view, name, pooler)
    for (const pool of pools) this.#monitors.set(pool.name, this.#monitorOf(pool))
    this.#firstRound ??= clock.setTimer(() => {
      clock.afterIo(() => this.#firstRoundIsLate())
    }, FIRST_ROUND_MS)
    this.#replace(this.#withTraits(view))
    for (const { name } of pools) void this.#monitors.get(name)?.probe()
  }

  /** Stops probing a node that is not in the set any more. */
  remove(id: string): void {
    this.#monitors.get(id)?.stop()
    this.#monitors.delete(id)
    this.#denials.delete(id)
    this.#replace(removeNode(this.#view, id))
  }

  /** Takes over what the set says about its nodes, such as which of them get no new work. */
  traitsChanged(): void {
    this.#replace(this.#withTraits(this.#view))
  }

  /** Makes another system ours. Its nodes were foreign until now. */
  acceptSystem(systemId: string): void {
    this.#replace(acceptSystem(this.#view, systemId))
    this.hurry()
  }

  /** The system identifiers of all nodes that answer. */
  get systems(): ReadonlySet<string> {
    const found = new Set<string>()
    for (const { standing } of this.#view.nodes.values()) {
      if (standing.kind === 'answer' && standing.facts.systemId !== undefined) {
        found.add(standing.facts.systemId)
      }
    }
    return found
  }

  /** Identifies the life of the node's server, which a promotion or a restart ends. */
  lifeOf(id: string): string | undefined {
    return lifeOf(this.#view, id)
  }

  /** The history that the primary writes, according to its last probe; undefined before that. */
  get present(): PresentHistory | undefined {
    return this.#view.present
  }

  get current(): TopologySnapshot {
    return this.#current
  }

  /** The pool of the primary; undefined if there is none. */
  get primary(): ConnectionPool | undefined {
    return this.#primary
  }

  /** The error for callers if waiting for a primary is pointless. */
  get blocked(): Error | undefined {
    return this.#judgement.blocked
  }

  /** Whether the first round of probes is still under way. */
  get isFirstRound(): boolean {
    return !this.#view.settled
  }

  /** State and reason of each node, in one line for humans. */
  describe(): string {
    const nodes = describeNodes(this.#current)
    return this.discoveryFailure === undefined ? nodes : `${nodes}; ${this.discoveryFailure}`
  }

  /**
   * The cause of a `NoPrimaryError`: a `FencedError` if every server that claims to be primary is
   * fenced, with `cause` as its own cause; else `cause`.
   */
  noPrimaryCause(cause?: unknown): unknown {
    const claims = describeFencedClaims(this.#current)
    return claims === undefined ? cause : new FencedError(claims, { retryable: true, cause })
  }

  subscribe(listener: Listener): () => void {
    if (typeof listener !== 'function') {
      throw new TypeError(`subscribe: listener must be a function, got ${typeof listener}`)
    }
    // Wrapped, so that a listener that subscribes twice has two subscriptions.
    const own: Listener = (snapshot, previous) => listener(snapshot, previous)
    this.#listeners.add(own)
    return () => {
      this.#listeners.delete(own)
    }
  }

  async refresh(_reason: string): Promise<void> {
    // The caller waits, but the sessions of the probes do not keep the process alive.
    const keepAliveTimer = this.#config.clock.setTimer(() => {}, MAX_MS, { keepAlive: true })
    try {
      await Promise.all([...this.#monitors.values()].map((monitor) => monitor.probe()))
    } finally {
      keepAliveTimer.cancel()
    }
  }

  /** Probes one node. Resolves when a probe that was sent after this call has been observed. */
  probe(id: string): Promise<void> {
    return this.#monitors.get(id)?.probe() ?? Promise.resolve()
  }

  /** Probes a node soon, because something hints at a change. A burst of hints makes one probe. */
  hint(id: string): void {
    this.#monitors.get(id)?.hint()
  }

  /** Probes every node soon, because a call waits for a primary. */
  hurry(): void {
    for (const monitor of this.#monitors.values()) monitor.hint()
  }

  /** Stops all probes, sessions and timers. */
  stop(): void {
    this.#stopped = true
    this.#firstRound?.cancel()
    for (const monitor of this.#monitors.values()) monitor.stop()
    this.#listeners.clear()
  }

  #monitorOf(pool: ConnectionPool): NodeMonitor {
    const { clock, probeTimeoutMs, fence } = this.#config
    return new NodeMonitor({
      pool,
      clock,
      timeoutMs: probeTimeoutMs,
      statements: probeStatements(fence),
      observed: (observation) => this.#observed(pool.name, observation),
      nextDelayMs: () => this.#delayOf(pool.name),
      renewAfterMs: () => this.#renewAfterMs(pool),
      onOvertaken: () => pool.reopen?.('an attempt to connect hangs'),
    })
  }

  /**
   * Age at which the node's session is replaced. Without a primary, a host name may begin to lead
   * to one while the server it led to before still answers on the old session.
   */
  #renewAfterMs({ name, endpoint: { host } }: ConnectionPool): number {
    if (this.#judgement.furtherNames.has(name)) return RENEW_FURTHER_MS
    const isName = isIP(host) === 0 && !host.startsWith('/')
    return isName && this.#judgement.primary === undefined ? RENEW_MS : Number.POSITIVE_INFINITY
  }

  #delayOf(id: string): number {
    const { intervalMs, deadAfter, random, clock } = this.#config
    const { failures, sentAt } = this.#view.nodes.get(id)!
    return probeDelay({
      intervalMs,
      deadAfter,
      urgent: this.#urgent,
      failures,
      sinceSentMs: clock.now() - sentAt,
      denials: this.#denials.get(id) ?? 0,
      unknownForMs: this.#isLagUnknown(id) ? this.#lagReference.knownForMs : undefined,
      random: random(),
    })
  }

  get #urgent(): boolean {
    const { primary } = this.#judgement
    return primary === undefined || this.#view.nodes.get(primary)!.failures > 0
  }

  #observed(id: string, observation: Observation): void {
    const denials = observation.kind === 'denied' ? (this.#denials.get(id) ?? 0) + 1 : 0
    this.#denials.set(id, denials)
    const wasUrgent = this.#urgent
    let view = observe(this.#view, id, observation)
    if (!view.settled && this.#isFirstRoundOver(view)) view = endFirstRound(view)
    this.#enforce(view, wasUrgent, id)
  }

  /**
   * Whether a replica has reported a position that is older than every position of the primary, so
   * that its lag cannot be told in milliseconds.
   */
  #isLagUnknown(id: string): boolean {
    const node = this.#current.replicas.find((replica) => replica.id === id)
    return node?.lag !== undefined && node.lag.ms === undefined && node.lag.bytes !== undefined
  }

  /** Puts a view in force that did not come from a probe. */
  #replace(view: ClusterView): void {
    if (this.#stopped) return
    const wasUrgent = this.#urgent
    const isOver = !view.settled && this.#isFirstRoundOver(view)
    this.#enforce(isOver ? endFirstRound(view) : view, wasUrgent)
  }

  /**
   * Puts a view in force, does what follows from it and publishes it. `id` is the node whose probe
   * led to it.
   */
  #enforce(view: ClusterView, wasUrgent: boolean, id?: string): void {
    this.#conclude(view)
    const isFirstPosition = this.#lagReference.sample(view, this.#judgement)
    this.#hastenOthers(wasUrgent, id)
    this.#publish()
    if (!isFirstPosition) return
    // What a replica reported before the primary's first position is as a rule a little older.
    for (const replica of this.#current.replicas) {
      if (this.#isLagUnknown(replica.id)) this.#monitors.get(replica.id)?.hasten(0)
    }
  }

  #hastenOthers(wasUrgent: boolean, id?: string): void {
    if (wasUrgent || !this.#urgent) return
    for (const [other, monitor] of this.#monitors) {
      if (other !== id) monitor.hasten(this.#delayOf(other))
    }
  }

  /**
   * Whether every node has been probed; or the time is up and there is a primary, so that calls do
   * not wait for a dead node.
   */
  #isFirstRoundOver(view: ClusterView): boolean {
    if (view.nodes.size === 0) return false
    if ([...view.nodes.values()].every(({ sentAt }) => sentAt > Number.NEGATIVE_INFINITY))
      return true
    return this.#isFirstRoundLate && judge(endFirstRound(view)).primary !== undefined
  }

  #firstRoundIsLate(): void {
    this.#isFirstRoundLate = true
    if (this.#stopped || this.#view.settled || !this.#isFirstRoundOver(this.#view)) return
    this.#enforce(endFirstRound(this.#view), this.#urgent)
  }

  /**
   * Puts the view in force, then carries out its consequences, in this order: a caller that fails
   * because of them must find the new view.
   */
  #conclude(view: ClusterView): void {
    const before = { view: this.#view, judgement: this.#judgement }
    const after = { view, judgement: judge(view) }
    this.#view = view
    this.#judgement = after.judgement
    this.#primary = this.#nodes.get(after.judgement.primary ?? '')?.pool
    for (const consequence of consequences(before, after)) this.#carryOut(consequence)
    for (const [id] of view.nodes) this.#fenceSessions(id, factsOf(before.view, id))
  }

  /** Destroys the node's connections to fenced servers that its name leads or led to, no others. */
  #fenceSessions(id: string, former?: ProbeFacts): void {
    const pool = this.#nodes.get(id)?.pool
    const isFenced = pool && fencedConnections(this.#view, id, former)
    if (isFenced === undefined || !pool?.servers?.().some(({ server }) => isFenced(server))) return
    pool.onlyTo?.(isFenced).destroyAll('fenced: its name leads to another server by now')
  }

  #carryOut(consequence: Consequence): void {
    const pool = this.#config.name
    switch (consequence.kind) {
      case 'destroy':
        this.#nodes.get(consequence.node)?.pool.destroyAll(consequence.reason)
        return
      case 'suspect':
        this.#nodes.get(consequence.node)?.pool.suspect(consequence.reason)
        return
      case 'refuse':
        this.#nodes.get(consequence.node)?.pool.refuseWaiting?.(consequence.reason)
        return
      case 'replace':
        // The pool's own events report the outcome.
        void this.#nodes.get(consequence.node)?.pool.recycle()
        return
      case 'fenced': {
        const { node, timeline, highest } = consequence
        this.#hub.emit('fenced', { pool, node, timeline, highest })
        return
      }
      case 'split-brain': {
        const { nodes, timeline } = consequence
        this.#hub.emit('split-brain', { pool, nodes, timeline })
        return
      }
      case 'foreign': {
        const { node, systemId, expected } = consequence
        this.#hub.emit('foreign', { pool, node, systemId, expected })
        return
      }
      case 'diverged': {
        const { node, reason, systemId, timeline } = consequence
        this.#hub.emit('diverged', { pool, node, reason, systemId, timeline })
        return
      }
    }
  }

  #publish(): void {
    const previous = this.#current
    const next = this.#snapshot(previous.epoch + 1)
    const same = sameRoles(previous, next)
    if (same && next.replicas.length === 0) {
      // Perhaps the first round of probes has just ended.
      this.#changed()
      return
    }
    this.#current = next
    if (!same) {
      this.#hub.emit('topology', {
        pool: this.#config.name,
        snapshot: next,
        reason: describeChange(previous, next, this.#held()),
      })
    }
    this.#changed()
    for (const listener of [...this.#listeners]) {
      try {
        listener(next, previous)
      } catch (error) {
        this.#hub.emit('error', { pool: this.#config.name, error })
      }
    }
  }

  #snapshot(epoch: number): TopologySnapshot {
    const age = this.#lagReference.age(this.#view, this.#judgement)
    const { ring } = this.#lagReference
    return snapshotOf(epoch, this.#nodes, this.#view, this.#judgement, ring, age)
  }

  #withTraits(view: ClusterView): ClusterView {
    return withhold(view, this.#nodes.withheld(), this.#nodes.leaving(), this.#nodes.drained())
  }
}
