import type { Attributes, Counter, Histogram, Meter } from '@opentelemetry/api'
import type {
  EjectedEvent,
  InDoubtEvent,
  PoolListener,
  TopologyEvent,
  TopologySnapshot,
} from '@poolhouse/core'
import type { Observable } from '@poolhouse/core/kit'
import { type MetricKey, metric } from './metric-table.js'
import { type Observe, TOLD_AS_GONE_MS } from './observed-metrics.js'

/** The metrics that `ClusterMetrics.observe` tells. */
export const NODE_GAUGES: readonly MetricKey[] = ['nodeState', 'staleness']

interface PrimaryView {
  /** The last primary; undefined before there was one. */
  readonly primary: string | undefined
  /** When that was lost, by `performance.now()`; undefined while there is a primary. */
  readonly lostAt: number | undefined
}

interface ToldNode {
  readonly attributes: Attributes
  /** The states in which it was told. */
  readonly states: Set<string>
  /** Since when it is not among the servers any more, by `performance.now()`. */
  goneAt?: number | undefined
}

/** Tells the states of servers, and counts what events tell about them and about failovers. */
export class ClusterMetrics {
  readonly #source: Observable
  readonly #failovers: Histogram
  readonly #inDoubt: Counter
  readonly #ejections: Counter
  readonly #views = new Map<string, PrimaryView>()
  // A former state of a node is told as 0, because the SDK would go on telling its last value.
  readonly #told = new Map<string, ToldNode>()
  readonly #onTopology: PoolListener<'topology'> = ({ pool, snapshot }: TopologyEvent) =>
    this.#changed(pool, snapshot)
  readonly #onDoubt: PoolListener<'in-doubt'> = ({ pool, node }: InDoubtEvent) =>
    this.#inDoubt.add(1, nodeOf(pool, node))
  readonly #onEjected: PoolListener<'ejected'> = ({ pool, node }: EjectedEvent) =>
    this.#ejections.add(1, nodeOf(pool, node))

  /** Listens to this source. */
  constructor(meter: Meter, source: Observable) {
    const { name, unit, description, bounds } = metric('failoverDuration')
    const advice = { explicitBucketBoundaries: [...bounds!] }
    this.#failovers = meter.createHistogram(name, { unit, description, advice })
    this.#inDoubt = counterOf(meter, 'inDoubt')
    this.#ejections = counterOf(meter, 'ejections')
    this.#source = source
    for (const pool of source.pools()) {
      const snapshot = pool.topology()
      if (snapshot !== undefined) this.#changed(pool.name, snapshot)
    }
    source.on('topology', this.#onTopology)
    source.on('in-doubt', this.#onDoubt)
    source.on('ejected', this.#onEjected)
  }

  /** Listens no more. */
  stop(): void {
    this.#source.off('topology', this.#onTopology)
    this.#source.off('in-doubt', this.#onDoubt)
    this.#source.off('ejected', this.#onEjected)
  }

  /** Tells the state of each node, and how far behind it is. */
  observe(observe: Observe): void {
    const states = new Map<string, string>()
    for (const pool of this.#source.pools()) {
      // Tenants share the servers of databases.
      if (pool.kind === 'tenant') continue
      for (const { id, state, lag } of pool.topology()?.nodes ?? []) {
        const attributes = nodeOf(pool.name, id)
        const key = JSON.stringify([pool.name, id])
        states.set(key, state)
        const told = this.#told.get(key) ?? { attributes, states: new Set() }
        this.#told.set(key, told)
        told.states.add(state)
        if (lag?.ms === undefined) continue
        const grownMs = lag.still || lag.at === undefined ? 0 : performance.now() - lag.at
        observe('staleness', (lag.ms + grownMs) / 1_000, attributes)
      }
    }
    const now = performance.now()
    for (const [key, told] of this.#told) {
      const { attributes, states: all } = told
      told.goneAt = states.has(key) ? undefined : (told.goneAt ?? now)
      if (told.goneAt !== undefined && now - told.goneAt > TOLD_AS_GONE_MS) {
        this.#told.delete(key)
        continue
      }
      for (const state of all) {
        const isNow = states.get(key) === state
        observe('nodeState', isNow ? 1 : 0, { ...attributes, 'poolhouse.node.state': state })
      }
    }
  }

  #changed(pool: string, { primary }: TopologySnapshot): void {
    const { primary: former, lostAt } = this.#views.get(pool) ?? {}
    if (primary === undefined) {
      const isLost = former !== undefined && lostAt === undefined
      this.#views.set(pool, { primary: former, lostAt: isLost ? performance.now() : lostAt })
      return
    }
    this.#views.set(pool, { primary: primary.id, lostAt: undefined })
    const hasMoved = former !== undefined && former !== primary.id
    if (lostAt === undefined && !hasMoved) return
    const seconds = lostAt === undefined ? 0 : (performance.now() - lostAt) / 1_000
    const outcome = hasMoved ? 'moved' : 'returned'
    this.#failovers.record(seconds, {
      'poolhouse.pool': pool,
      'poolhouse.failover.outcome': outcome,
    })
  }
}

/** Makes a counter of the table. */
export function counterOf(meter: Meter, key: MetricKey): Counter {
  const { name, unit, description } = metric(key)
  return meter.createCounter(name, { unit, description })
}

function nodeOf(pool: string, node: string): Attributes {
  return { 'poolhouse.pool': pool, 'poolhouse.node': node }
}
