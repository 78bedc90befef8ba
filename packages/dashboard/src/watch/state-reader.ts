import type { Clock, PoolStats, TopologyNode } from '@poolhouse/core'
import { formatEndpoint, type Observable, type ObservedPool } from '@poolhouse/core/kit'
import type {
  BudgetView,
  Connections,
  DashboardState,
  HolderView,
  LeakView,
  NodeView,
  PoolView,
  SlowTextView,
} from '../dashboard-state.js'
import type { EventLog } from './event-log.js'
import { keyOf } from './pool-key.js'
import { RecentWork } from './recent-work.js'

/** Most lines of each list. */
const MOST = 8

/** Owns the earlier readings, and turns what is observed into what the page shows. */
export class StateReader {
  readonly #source: Observable
  readonly #log: EventLog
  readonly #clock: Clock
  /** By pool, and by pool and node. */
  #works = new Map<string, RecentWork>()

  /** Reads nothing before `read`. */
  constructor(source: Observable, log: EventLog, clock: Clock) {
    this.#source = source
    this.#log = log
    this.#clock = clock
  }

  /** Reads everything that the page shows. Asks no server. */
  read(): DashboardState {
    const at = this.#clock.now()
    const source = this.#source
    const holders = source.holders()
    const { servers, tenantPools, tenantEvictions } = source.stats()
    // Pools that are gone leave nothing behind.
    const works = this.#works
    this.#works = new Map()
    const workOf = (key: string): RecentWork => {
      const work = works.get(key) ?? new RecentWork()
      this.#works.set(key, work)
      return work
    }
    const pools = source.pools().map((pool) => this.#poolOf(pool, at, workOf))
    const budgets = Object.entries(servers).map(
      ([server, { limit, used, beside, waiting }]): BudgetView => ({
        server,
        limit,
        used,
        beside,
        waiting,
        holders: holders[server]?.slice(0, MOST) ?? [],
      }),
    )
    return { at, pid: process.pid, pools, budgets, tenantPools, tenantEvictions, ...this.#lists() }
  }

  #poolOf(pool: ObservedPool, at: number, workOf: (key: string) => RecentWork): PoolView {
    const { name, kind } = pool
    const key = keyOf(pool)
    const stats = pool.stats()
    const snapshot = pool.topology()
    const { wait, query, perSecond, routes } = workOf(key).read(at, stats)
    const recentOf = (id: string, of: PoolStats): number =>
      workOf(JSON.stringify([key, id])).read(at, of).perSecond
    const nodes = snapshot
      ? snapshot.nodes.map((node) => nodeOf(node, node.pool.stats(), at, recentOf))
      : Object.entries(stats.nodes ?? {}).map(
          ([id, of]): NodeView => ({
            id,
            connections: connectionsOf(of),
            perSecond: recentOf(id, of),
          }),
        )
    return {
      key,
      name,
      kind,
      connections: connectionsOf(stats),
      counters: { ...stats.counters },
      wait,
      query,
      perSecond,
      timeline: snapshot?.timeline,
      hasPrimary: snapshot && snapshot.primary !== undefined,
      heldSince: this.#log.heldSince(pool),
      nodes,
      routes,
    }
  }

  #lists(): Pick<DashboardState, 'holders' | 'slowest' | 'leaks'> {
    const inside = this.#source.inspect()
    const holders = inside.flatMap(({ name, leases }) =>
      leases.map(
        ({ backendPid, heldMs, state, statement, stack }): HolderView => ({
          node: name,
          backendPid,
          heldMs,
          state,
          statement,
          stack,
        }),
      ),
    )
    const slowest = inside.flatMap(({ name, slowest: texts }) =>
      texts.map(
        ({ statement, ms, agoMs }): SlowTextView => ({ node: name, text: statement, ms, agoMs }),
      ),
    )
    const leaks = inside.flatMap(({ name, leaks: reported }) =>
      reported.map(
        ({ heldMs, agoMs, statement, stack }): LeakView => ({
          node: name,
          heldMs,
          agoMs,
          statement,
          stack,
        }),
      ),
    )
    return {
      holders: holders.sort((one, other) => other.heldMs - one.heldMs).slice(0, MOST),
      slowest: slowest.sort((one, other) => other.ms - one.ms).slice(0, MOST),
      leaks: leaks.sort((one, other) => one.agoMs - other.agoMs).slice(0, MOST),
    }
  }
}

function nodeOf(
  { id, endpoint, state, reason, zone, lag }: TopologyNode,
  stats: PoolStats,
  at: number,
  recentOf: (id: string, stats: PoolStats) => number,
): NodeView {
  // What the snapshot says grows older with the clock, unless no server can commit.
  const age = lag?.at === undefined || lag.still === true ? 0 : Math.max(0, at - lag.at)
  return {
    id,
    endpoint: formatEndpoint(endpoint),
    state,
    reason,
    zone,
    lagMs: lag?.ms === undefined ? undefined : lag.ms + age,
    connections: connectionsOf(stats),
    perSecond: recentOf(id, stats),
  }
}

function connectionsOf({ leased, idle, connecting, pending, max }: PoolStats): Connections {
  return { used: leased, idle, connecting, waiting: pending, max }
}
