import {
  type ClockTimer,
  type ConnectionPool,
  type EventHub,
  LagRing,
  type Topology,
  type TopologySnapshot,
} from '@poolhouse/core'
import { probeDelay } from './cadence.js'
import type { ClusterView } from './cluster-view.js'
import { type Consequence, consequences } from './consequences.js'
import type { FailoverConfig } from './failover-options.js'
import { type Judgement, judge } from './judgement.js'
import { NodeMonitor } from './node-monitor.js'
import type { Observation } from './observation.js'
import { probeStatement } from './probe-statement.js'
import { describeChange, sameRoles, snapshotOf } from './topology-snapshot.js'
import { emptyView, endFirstRound, observe } from './transitions.js'

type Listener = (snapshot: TopologySnapshot, previous: TopologySnapshot) => void

// How long a primary that has answered waits for the other nodes to be heard before it is believed.
const FIRST_ROUND_MS = 250

/** Watches the nodes, holds the newest view of them and does what follows from a change. */
export class TopologyWatch implements Topology {
  readonly #config: FailoverConfig
  readonly #pools: readonly ConnectionPool[]
  readonly #hub: EventHub
  readonly #changed: () => void
  readonly #monitors: ReadonlyMap<string, NodeMonitor>
  readonly #denials = new Map<string, number>()
  readonly #listeners = new Set<Listener>()
  readonly #ring = new LagRing()
  // When the primary last said where its log ends.
  #sampledAt = Number.NEGATIVE_INFINITY
  #view: ClusterView
  #judgement: Judgement
  #current: TopologySnapshot
  #firstRound: ClockTimer | undefined
  #primary: ConnectionPool | undefined
  #stopped = false

  /** `changed` is called after every change, when everything that follows from it has been done. */
  constructor(
    pools: readonly ConnectionPool[],
    config: FailoverConfig,
    hub: EventHub,
    changed: () => void,
  ) {
    this.#pools = pools
    this.#config = config
    this.#hub = hub
    this.#changed = changed
    const ids = pools.map(({ name }) => name)
    this.#view = emptyView(ids, config)
    this.#judgement = judge(this.#view)
    this.#current = this.#snapshot(1)
    this.#monitors = new Map(pools.map((pool) => [pool.name, this.#monitorOf(pool)]))
  }

  /** Begins to probe. */
  start(): void {
    const { clock } = this.#config
    this.#firstRound = clock.setTimer(() => {
      clock.afterIo(() => this.#firstRoundIsLate())
    }, FIRST_ROUND_MS)
    for (const monitor of this.#monitors.values()) void monitor.probe()
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
    await Promise.all([...this.#monitors.values()].map((monitor) => monitor.probe()))
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
      statement: probeStatement(fence),
      observed: (observation) => this.#observed(pool.name, observation),
      nextDelayMs: () => this.#delayOf(pool.name),
    })
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
    this.#conclude(view)
    this.#sample(id, observation)
    // Whoever is probed at leisure is needed now.
    if (this.#urgent && !wasUrgent) {
      for (const [other, monitor] of this.#monitors) {
        if (other !== id) monitor.hasten(this.#delayOf(other))
      }
    }
    this.#publish()
  }

  /** Everybody has been heard; or the time is up and there is a primary, so that nobody waits for a node that is dead. */
  #isFirstRoundOver(view: ClusterView): boolean {
    if ([...view.nodes.values()].every(({ sentAt }) => sentAt > Number.NEGATIVE_INFINITY))
      return true
    return this.#firstRound === undefined && judge(endFirstRound(view)).primary !== undefined
  }

  #firstRoundIsLate(): void {
    this.#firstRound = undefined
    if (this.#stopped || this.#view.settled || !this.#isFirstRoundOver(this.#view)) return
    this.#conclude(endFirstRound(this.#view))
    this.#publish()
  }

  /** Puts the view in force, and then does what follows from it: callers that fail because of it must find it in force. */
  #conclude(view: ClusterView): void {
    const before = { view: this.#view, judgement: this.#judgement }
    const after = { view, judgement: judge(view) }
    this.#view = view
    this.#judgement = after.judgement
    this.#primary = this.#pools.find(({ name }) => name === after.judgement.primary)
    for (const consequence of consequences(before, after)) this.#carryOut(consequence)
  }

  #carryOut(consequence: Consequence): void {
    const pool = this.#config.name
    switch (consequence.kind) {
      case 'destroy':
        this.#poolOf(consequence.node).destroyAll(consequence.reason)
        return
      case 'suspect':
        this.#poolOf(consequence.node).suspect(consequence.reason)
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
    }
  }

  #sample(id: string, observation: Observation): void {
    if (observation.kind !== 'answer' || id !== this.#judgement.primary) return
    const { lsn, timeline } = observation.facts
    if (lsn === undefined) return
    this.#ring.add(`${timeline} ${id}`, observation.sentAt, lsn)
    this.#sampledAt = observation.sentAt
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
        reason: describeChange(previous, next),
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
    // While there is nobody to commit nothing grows older: what was fresh when the primary was lost goes on serving reads.
    const now = mayCommit(this.#view, this.#judgement) ? this.#config.clock.now() : this.#sampledAt
    return snapshotOf(epoch, this.#pools, this.#view, this.#judgement, this.#ring, now)
  }

  #poolOf(id: string): ConnectionPool {
    return this.#pools.find(({ name }) => name === id)!
  }
}

/** Whether a server that we hear of may be taking writes of our cluster. */
function mayCommit({ contest }: ClusterView, { primary, verdicts }: Judgement): boolean {
  if (primary !== undefined || contest !== undefined) return true
  return [...verdicts.values()].some(({ state }) => state === 'primary-read-only')
}
