import { isIP } from 'node:net'
import type {
  ClockTimer,
  ConnectionPool,
  NodeState,
  Topology,
  TopologySnapshot,
} from '@poolhouse/core'
import type { PresentHistory } from '@poolhouse/core/kit'
import { type EventHub, LagRing } from '@poolhouse/core/kit'
import type { Observation, ProbeFacts } from '../base/observation.js'
import { type ClusterView, factsOf } from '../judge/cluster-view.js'
import { type Consequence, consequences } from '../judge/consequences.js'
import { describeChange, type HeldCalls } from '../judge/describe-change.js'
import { fencedServers } from '../judge/fenced-servers.js'
import { type Judgement, judge } from '../judge/judgement.js'
import { type Age, describeNodes, sameRoles, snapshotOf } from '../judge/topology-snapshot.js'
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

type Listener = (snapshot: TopologySnapshot, previous: TopologySnapshot) => void

// How long a primary that has answered waits for the other nodes to be heard before it is believed.
const FIRST_ROUND_MS = 250
const LONGEST = 0x7fffffff
// Names move with their time to live, which is seconds.
const RENEW_MS = 1_000
// A further name of a server may come to lead to another one, as a reader endpoint does when a
// replica is back.
const RENEW_FURTHER_MS = 2_000

/** What the watch needs of its pool. */
export interface WatchOptions {
  readonly config: FailoverConfig
  readonly hub: EventHub
  /** The nodes as they are listed. Whoever changes the set tells the watch. */
  readonly nodes: NodeSet
  /** The calls that wait for a primary, if any do. */
  readonly held: () => HeldCalls | undefined
  /** Called after every change, when everything that follows from it has been done. */
  readonly changed: () => void
}

/** Watches the nodes, holds the newest view of them and does what follows from a change. */
export class TopologyWatch implements Topology {
  readonly #config: FailoverConfig
  readonly #nodes: NodeSet
  readonly #hub: EventHub
  readonly #held: () => HeldCalls | undefined
  readonly #changed: () => void
  /** Why the nodes may be out of date, for messages. */
  trouble: string | undefined
  readonly #monitors = new Map<string, NodeMonitor>()
  readonly #denials = new Map<string, number>()
  readonly #listeners = new Set<Listener>()
  readonly #ring = new LagRing()
  // Whose positions the ring holds, and since when.
  #source: string | undefined
  #since = 0
  // When the last primary was found to be gone, and the servers that were there then.
  #end: { readonly at: number; readonly lives: ReadonlySet<string | undefined> } | undefined
  #view: ClusterView
  #judgement: Judgement
  #current: TopologySnapshot
  #firstRound: ClockTimer | undefined
  #isFirstRoundLate = false
  #primary: ConnectionPool | undefined
  #stopped = false

  /** Watches nothing before `join`. */
  constructor({ config, hub, nodes, held, changed }: WatchOptions) {
    this.#nodes = nodes
    this.#config = config
    this.#hub = hub
    this.#held = held
    this.#changed = changed
    this.#view = emptyView([], config)
    this.#judgement = judge(this.#view)
    this.#current = this.#snapshot(1)
  }

  /** Begins to probe these nodes, which are in the set. The first of all begin the first round. */
  join(pools: readonly ConnectionPool[]): void {
    const { clock } = this.#config
    let view = this.#view
    for (const { name, pooler } of pools) view = addNode(view, name, pooler)
    for (const pool of pools) this.#monitors.set(pool.name, this.#monitorOf(pool))
    this.#firstRound ??= clock.setTimer(() => {
      clock.afterIo(() => this.#firstRoundIsLate())
    }, FIRST_ROUND_MS)
    this.#replace(
      withhold(view, this.#nodes.withheld(), this.#nodes.leaving(), this.#nodes.drained()),
    )
    for (const { name } of pools) void this.#monitors.get(name)?.probe()
  }

  /** Forgets a node, which is not in the set any more: no more probes of it. */
  part(id: string): void {
    this.#monitors.get(id)?.stop()
    this.#monitors.delete(id)
    this.#denials.delete(id)
    this.#replace(removeNode(this.#view, id))
  }

  /** The set says something else about its nodes: their traits, or who gets no work. */
  traitsChanged(): void {
    this.#replace(
      withhold(this.#view, this.#nodes.withheld(), this.#nodes.leaving(), this.#nodes.drained()),
    )
  }

  /** Makes another system ours, whose nodes were foreign until now. */
  acceptSystem(systemId: string): void {
    this.#replace(acceptSystem(this.#view, systemId))
    this.hurry()
  }

  /** The system identifiers that the nodes tell. */
  get systems(): ReadonlySet<string> {
    const found = new Set<string>()
    for (const { standing } of this.#view.nodes.values()) {
      if (standing.kind === 'answer' && standing.facts.systemId !== undefined) {
        found.add(standing.facts.systemId)
      }
    }
    return found
  }

  /**
   * Tells two lives of a node apart: it changes when the server is promoted or restarted, or is
   * another one.
   */
  lifeOf(id: string): string | undefined {
    const standing = this.#view.nodes.get(id)?.standing
    if (standing?.kind !== 'answer') return undefined
    const { systemId, timeline, startedAt } = standing.facts
    return `${systemId} ${timeline} ${startedAt}`
  }

  /** The history that the primary writes, as it said last; undefined before it has. */
  get present(): PresentHistory | undefined {
    return this.#view.present
  }

  get current(): TopologySnapshot {
    return this.#current
  }

  /** The pool of the primary, if there is one. */
  get primary(): ConnectionPool | undefined {
    return this.#primary
  }

  /** The error that callers get instead of waiting, where waiting is pointless. */
  get blocked(): Error | undefined {
    return this.#judgement.blocked
  }

  /** Whether the first round of probes is still under way. */
  get finding(): boolean {
    return !this.#view.settled
  }

  /** What is known of each node, in one line for humans. */
  describe(): string {
    const nodes = describeNodes(this.#current)
    return this.trouble === undefined ? nodes : `${nodes}; ${this.trouble}`
  }

  subscribe(listener: Listener): () => void {
    if (typeof listener !== 'function') {
      throw new TypeError(`subscribe: listener must be a function, got ${typeof listener}`)
    }
    // A function of its own for each subscription, so that ending one leaves its twin alone.
    const own: Listener = (snapshot, previous) => listener(snapshot, previous)
    this.#listeners.add(own)
    return () => {
      this.#listeners.delete(own)
    }
  }

  async refresh(_reason: string): Promise<void> {
    // Somebody awaits it, and the sessions of the probes keep no process alive.
    const vigil = this.#config.clock.setTimer(() => {}, LONGEST, { keepAlive: true })
    try {
      await Promise.all([...this.#monitors.values()].map((monitor) => monitor.probe()))
    } finally {
      vigil.cancel()
    }
  }

  /** Probes one node. Resolves when a probe that was sent after this call has been observed. */
  check(id: string): Promise<void> {
    return this.#monitors.get(id)?.probe() ?? Promise.resolve()
  }

  /** Something hints at a change of this node: it is probed soon, once for a burst of hints. */
  hint(id: string): void {
    this.#monitors.get(id)?.sign()
  }

  /** Somebody waits for a primary: every node is probed soon. */
  hurry(): void {
    for (const monitor of this.#monitors.values()) monitor.sign()
  }

  /** Ends it: no more probes, sessions or timers. */
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
    })
  }

  /**
   * While there is no primary a name may come to lead to one; the server it led to before goes on
   * answering.
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
      unknownForMs: this.#isUnknown(id) ? clock.now() - this.#since : undefined,
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
   * Whether the node has said where it is, and that cannot be compared with anything that the
   * primary has said.
   */
  #isUnknown(id: string): boolean {
    if (this.#source === undefined) return false
    const node = this.#current.replicas.find((replica) => replica.id === id)
    return node?.lag !== undefined && node.lag.ms === undefined && node.lag.bytes !== undefined
  }

  /** Puts a view in force that no observation has led to. */
  #replace(view: ClusterView): void {
    if (this.#stopped) return
    const wasUrgent = this.#urgent
    const isOver = !view.settled && this.#isFirstRoundOver(view)
    this.#enforce(isOver ? endFirstRound(view) : view, wasUrgent)
  }

  /**
   * Puts a view in force, and does and tells everything that follows. `id` is the node that has
   * just been probed.
   */
  #enforce(view: ClusterView, wasUrgent: boolean, id?: string): void {
    this.#conclude(view)
    const isFirst = this.#sample()
    this.#hastenOthers(wasUrgent, id)
    this.#publish()
    if (!isFirst) return
    // What a replica said before the primary's first word is as a rule a little older than that.
    for (const replica of this.#current.replicas) {
      if (this.#isUnknown(replica.id)) this.#monitors.get(replica.id)?.hasten(0)
    }
  }

  #hastenOthers(wasUrgent: boolean, id?: string): void {
    // Whoever is probed at leisure is needed now.
    if (this.#urgent && !wasUrgent) {
      for (const [other, monitor] of this.#monitors) {
        if (other !== id) monitor.hasten(this.#delayOf(other))
      }
    }
  }

  /**
   * Everybody has been heard; or the time is up and there is a primary, so that nobody waits for a
   * node that is dead.
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
   * Puts the view in force, and then does what follows from it: callers that fail because of it
   * must find it in force.
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

  /**
   * Breaks the node's connections to fenced servers that its name leads or led to, and no others.
   */
  #fenceSessions(id: string, former?: ProbeFacts): void {
    const pool = this.#nodes.get(id)?.pool
    const isFenced = pool && fencedServers(this.#view, id, former)
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
      case 'replace':
        // How it goes is told by the events of the pool.
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

  /**
   * Takes what the primary said last, which may have been before it was known to be the primary.
   * Whether it is the first word of this one.
   */
  #sample(): boolean {
    const id = this.#judgement.primary
    const record = id === undefined ? undefined : this.#view.nodes.get(id)
    // After a failed probe `sentAt` is that of the failure.
    if (record?.standing.kind !== 'answer' || record.failures > 0) return false
    const { lsn, timeline, systemId } = record.standing.facts
    if (lsn === undefined) return false
    const source = `${systemId} ${timeline} ${id}`
    this.#ring.add(source, record.sentAt, lsn)
    if (source === this.#source) return false
    this.#source = source
    this.#since = this.#config.clock.now()
    return true
  }

  #publish(): void {
    const previous = this.#current
    const next = this.#snapshot(previous.epoch + 1)
    const same = sameRoles(previous, next)
    if (same && next.replicas.length === 0) {
      // The end of the first round may be all that happened.
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
    const age = this.#age()
    return snapshotOf(epoch, this.#nodes, this.#view, this.#judgement, this.#ring, age)
  }

  #age(): Age {
    const now = this.#config.clock.now()
    if (this.#judgement.primary !== undefined) this.#end = undefined
    if (mayCommit(this.#view, this.#judgement)) return { at: now, still: false }
    // A server that was not heard for a while, and is the same as before, was not promoted
    // meanwhile.
    const lives = [...this.#view.nodes.keys()].map((id) => this.lifeOf(id))
    const known = this.#end?.lives
    if (known === undefined || !lives.every((life) => life === undefined || known.has(life))) {
      // It may have committed until it was found to be gone.
      this.#end = { at: now, lives: new Set(lives) }
    }
    return { at: this.#end!.at, still: true }
  }
}

/**
 * Whether any server may be taking writes of our cluster. Only one that refuses connections is
 * gone; one that is silent may serve others, and one that nothing is known of may have been
 * promoted. Where nothing can be committed, nothing grows older: what was fresh when the primary
 * was lost goes on serving reads.
 */
function mayCommit(view: ClusterView, { primary, verdicts }: Judgement): boolean {
  if (primary !== undefined || view.contest !== undefined) return true
  for (const [id, { standing, failures }] of view.nodes) {
    switch (standing.kind) {
      case 'down':
        if (!standing.gone) return true
        break
      case 'answer':
        // Since it was last heard it may have been promoted.
        if (failures > 0 || !isHarmless(verdicts.get(id)?.state, standing.facts)) return true
        break
      case 'none':
      case 'denied':
      case 'starting':
        return true
    }
  }
  return false
}

// Of another cluster, or of a history that ours has left behind.
const APART: ReadonlySet<NodeState | undefined> = new Set(['fenced', 'foreign', 'diverged'])

function isHarmless(state: NodeState | undefined, { inRecovery }: ProbeFacts): boolean {
  return inRecovery || APART.has(state)
}
