import type { Attributes, Counter, Histogram, Meter } from '@opentelemetry/api'
import type {
  EjectedEvent,
  InDoubtEvent,
  Pool,
  Topology,
  TopologyEvent,
  TopologySnapshot,
} from '@poolhouse/core'
import type { Driven } from '@poolhouse/core/kit'
import { type MetricKey, metric } from './metric-table.js'
import type { Observe } from './observed-metrics.js'

/** The part of a pool or a manager that tells about events. */
export interface EventSource {
  /** Adds a listener. */
  on(event: string, listener: (event: never) => void): unknown
  /** Removes a listener. */
  off(event: string, listener: (event: never) => void): unknown
}

/** The metrics that `ClusterMetrics.observe` tells. */
export const NODE_GAUGES: readonly MetricKey[] = ['nodeState', 'staleness']

interface ClusterView {
  readonly snapshot: TopologySnapshot
  /** The last primary; undefined before there was one. */
  readonly primary: string | undefined
  /** When that was lost, by `performance.now()`; undefined while there is a primary. */
  readonly lostAt: number | undefined
}

/** Counts what events tell about servers and failovers, and knows the newest view of each cluster. */
export class ClusterMetrics {
  readonly #failovers: Histogram
  readonly #inDoubt: Counter
  readonly #ejections: Counter
  readonly #views = new Map<string, ClusterView>()
  readonly #topologies: ReadonlyMap<string, Topology>
  // The states in which nodes were told. A former one is told as 0, because the SDK would go on
  // telling its last value.
  readonly #told = new Map<string, { readonly of: Attributes; readonly states: Set<string> }>()
  readonly #listeners: Readonly<Record<string, (event: never) => void>> = {
    topology: ({ pool, snapshot }: TopologyEvent) => this.#changed(pool, snapshot),
    'in-doubt': ({ pool, node }: InDoubtEvent) => this.#inDoubt.add(1, nodeOf(pool, node)),
    ejected: ({ pool, node }: EjectedEvent) => this.#ejections.add(1, nodeOf(pool, node)),
  }
  readonly #source: EventSource

  /** Listens to this source. */
  constructor(meter: Meter, source: EventSource) {
    const of = (key: MetricKey) => {
      const { name, unit, description, bounds } = metric(key)
      const advice = bounds && { explicitBucketBoundaries: [...bounds] }
      return [name, { unit, description, ...(advice && { advice }) }] as const
    }
    this.#failovers = meter.createHistogram(...of('failoverDuration'))
    this.#inDoubt = meter.createCounter(...of('inDoubt'))
    this.#ejections = meter.createCounter(...of('ejections'))
    this.#source = source
    this.#topologies = topologiesOf(source as unknown as Pool)
    for (const [pool, { current }] of this.#topologies) this.#changed(pool, current)
    for (const [event, listener] of Object.entries(this.#listeners)) source.on(event, listener)
  }

  /** Listens no more. */
  stop(): void {
    for (const [event, listener] of Object.entries(this.#listeners)) {
      this.#source.off(event, listener)
    }
  }

  /** Tells the state of each node, and how far behind it is. */
  observe(observe: Observe): void {
    const states = new Map<string, string>()
    for (const [pool, view] of this.#views) {
      const { nodes } = this.#topologies.get(pool)?.current ?? view.snapshot
      for (const { id, state, lag } of nodes) {
        const of = nodeOf(pool, id)
        const key = JSON.stringify([pool, id])
        states.set(key, state)
        const told = this.#told.get(key) ?? { of, states: new Set() }
        this.#told.set(key, told)
        told.states.add(state)
        if (lag?.ms === undefined) continue
        const grownMs = lag.still || lag.at === undefined ? 0 : performance.now() - lag.at
        observe('staleness', (lag.ms + grownMs) / 1_000, of)
      }
    }
    for (const [key, { of, states: all }] of this.#told) {
      for (const state of all) {
        const isNow = states.get(key) === state
        observe('nodeState', isNow ? 1 : 0, { ...of, 'poolhouse.node.state': state })
      }
    }
  }

  #changed(pool: string, snapshot: TopologySnapshot): void {
    const before = this.#views.get(pool)
    const primary = snapshot.primary?.id
    const { primary: former, lostAt } = before ?? {}
    if (primary === undefined) {
      const isLost = former !== undefined && lostAt === undefined
      const since = isLost ? performance.now() : lostAt
      this.#views.set(pool, { snapshot, primary: former, lostAt: since })
      return
    }
    this.#views.set(pool, { snapshot, primary, lostAt: undefined })
    const hasMoved = former !== undefined && former !== primary
    if (lostAt === undefined && !hasMoved) return
    const seconds = lostAt === undefined ? 0 : (performance.now() - lostAt) / 1_000
    const outcome = hasMoved ? 'moved' : 'returned'
    this.#failovers.record(seconds, {
      'poolhouse.pool': pool,
      'poolhouse.failover.outcome': outcome,
    })
  }
}

function nodeOf(pool: string, node: string): Attributes {
  return { 'poolhouse.pool': pool, 'poolhouse.node': node }
}

/** The topologies of a pool and of the pools that it is made of, by the names of their pools. */
function topologiesOf(
  pool: Pool,
  found: Map<string, Topology> = new Map(),
): ReadonlyMap<string, Topology> {
  const { topology, drivenBy } = pool as Driven & { topology?: Topology }
  if (topology !== undefined) found.set(pool.name, topology)
  else if (drivenBy !== undefined && Symbol.iterator in drivenBy) {
    for (const part of drivenBy) topologiesOf(part, found)
  }
  return found
}
