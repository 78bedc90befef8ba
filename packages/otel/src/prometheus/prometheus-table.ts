import type { HistogramStats, PoolStats } from '@poolhouse/core'
import type { BudgetHolder, ObservedBudget } from '@poolhouse/core/kit'
import { COUNTED_EVENTS, type Holds } from './event-counts.js'
import type { View } from './view.js'

/** The value of a sample: a number, or a histogram of milliseconds that is shown in seconds. */
export type SampleValue =
  | number
  | HistogramStats
  | { readonly sumMs: number; readonly count: number }

/** Values of the labels, in their order, and what was measured. */
type Sample = readonly [labels: readonly string[], value: SampleValue]

/** One metric as Prometheus reads it. */
export interface PrometheusMetric {
  /** Its name. A counter ends in `_total`. */
  readonly name: string
  /** `summary` has a sum and a count, and no quantiles. */
  readonly type: 'gauge' | 'counter' | 'histogram' | 'summary'
  /** Unit of the value, as OpenTelemetry writes it. */
  readonly unit: string
  /** What it is, in a sentence. */
  readonly help: string
  /** Names of its labels. */
  readonly labels: readonly string[]
  /** Its samples at one moment. */
  samples(view: View): Iterable<Sample>
}

const POOL = 'db_client_connection_pool_name'
const OF_POOL = [POOL, 'database']

/** The reasons of `stats().routing` that say where a call went. */
const TARGETS: Readonly<Record<string, 'primary' | 'replica'>> = {
  write: 'primary',
  primaryNoReplicas: 'primary',
  primaryNoneFits: 'primary',
  primaryToken: 'primary',
  primarySerializable: 'primary',
  primaryStandby: 'primary',
  replica: 'replica',
  standIn: 'replica',
}

function ofServerPools(
  name: string,
  type: PrometheusMetric['type'],
  unit: string,
  help: string,
  read: (stats: PoolStats) => SampleValue,
): PrometheusMetric {
  return {
    name,
    type,
    unit,
    help,
    labels: OF_POOL,
    *samples({ serverPools }) {
      for (const each of serverPools) yield [[each.name, each.database], read(each.stats)]
    },
  }
}

function ofBudgets(
  name: string,
  type: PrometheusMetric['type'],
  help: string,
  read: (budget: ObservedBudget) => number,
): PrometheusMetric {
  return {
    name,
    type,
    unit: '{connection}',
    help,
    labels: ['server'],
    *samples({ observable }) {
      const { servers } = observable.stats()
      for (const [server, budget] of Object.entries(servers)) yield [[server], read(budget)]
    },
  }
}

function ofHolds(
  name: string,
  type: PrometheusMetric['type'],
  unit: string,
  help: string,
  read: (holds: Holds) => SampleValue,
): PrometheusMetric {
  return {
    name,
    type,
    unit,
    help,
    labels: ['pool'],
    *samples({ counts }) {
      for (const [pool, holds] of counts.holds) yield [[pool], read(holds)]
    },
  }
}

function* nodesOf({ pools }: View) {
  for (const { name, topology } of pools) {
    for (const node of topology()?.nodes ?? []) yield { database: name, node }
  }
}

/** Every metric of `metricsHandler`, in the order in which it shows them. */
export const PROMETHEUS_METRICS: readonly PrometheusMetric[] = [
  {
    name: 'db_client_operation_duration_seconds',
    type: 'histogram',
    unit: 's',
    help: 'Time of each statement from the call to its end, the wait for a connection included.',
    labels: ['db_system_name', ...OF_POOL],
    *samples({ serverPools }) {
      for (const { name, database, stats } of serverPools)
        yield [['postgresql', name, database], stats.histograms.queryMs]
    },
  },
  {
    name: 'db_client_connection_count',
    type: 'gauge',
    unit: '{connection}',
    help: 'Connections that are idle, and those that are used.',
    labels: [...OF_POOL, 'db_client_connection_state'],
    *samples({ serverPools }) {
      for (const { name, database, stats } of serverPools) {
        yield [[name, database, 'idle'], stats.idle]
        yield [[name, database, 'used'], stats.leased]
      }
    },
  },
  ofServerPools(
    'db_client_connection_idle_max',
    'gauge',
    '{connection}',
    'Most connections that may be idle.',
    ({ max }) => max,
  ),
  ofServerPools(
    'db_client_connection_idle_min',
    'gauge',
    '{connection}',
    'Connections that are opened and kept without demand.',
    ({ min }) => min,
  ),
  ofServerPools(
    'db_client_connection_max',
    'gauge',
    '{connection}',
    'Most connections that are allowed.',
    ({ max }) => max,
  ),
  ofServerPools(
    'db_client_connection_pending_requests',
    'gauge',
    '{request}',
    'Callers that wait for a connection.',
    ({ pending }) => pending,
  ),
  ofServerPools(
    'db_client_connection_timeouts_total',
    'counter',
    '{timeout}',
    'Acquires and statements that passed their deadline.',
    ({ counters }) => counters.timeouts,
  ),
  ofServerPools(
    'db_client_connection_create_time_seconds',
    'histogram',
    's',
    'Time to open a connection.',
    ({ histograms }) => histograms.createMs,
  ),
  ofServerPools(
    'db_client_connection_wait_time_seconds',
    'histogram',
    's',
    'Time that callers waited for a connection.',
    ({ histograms }) => histograms.waitMs,
  ),
  ofServerPools(
    'db_client_connection_use_time_seconds',
    'histogram',
    's',
    'Time that callers held a connection.',
    ({ histograms }) => histograms.useMs,
  ),
  ofServerPools(
    'poolhouse_connections_connecting',
    'gauge',
    '{connection}',
    'Connections that are being opened.',
    ({ connecting }) => connecting,
  ),
  ofServerPools(
    'poolhouse_connections_created_total',
    'counter',
    '{connection}',
    'Connections that were opened.',
    ({ counters }) => counters.created,
  ),
  ofServerPools(
    'poolhouse_connections_destroyed_total',
    'counter',
    '{connection}',
    'Connections that are gone, for whatever reason.',
    ({ counters }) => counters.destroyed,
  ),
  ofServerPools(
    'poolhouse_errors_total',
    'counter',
    '{error}',
    'Failed connects, lost connections, and statements that the server answered with an error.',
    ({ counters }) => counters.errors,
  ),
  ofServerPools(
    'poolhouse_leaks_total',
    'counter',
    '{lease}',
    'Leases that were reported as leaked.',
    ({ counters }) => counters.leaks,
  ),
  {
    name: 'poolhouse_routing_decisions_total',
    type: 'counter',
    unit: '{call}',
    help: 'Calls by the role of the server they were sent to, and why.',
    labels: ['database', 'target', 'reason'],
    *samples({ pools }) {
      for (const { name, now } of pools) {
        for (const [reason, count] of Object.entries(now.routing ?? {})) {
          const target = TARGETS[reason]
          if (target !== undefined) yield [[name, target, reason], count]
        }
      }
    },
  },
  {
    name: 'poolhouse_routing_events_total',
    type: 'counter',
    unit: '{call}',
    help: 'What else happened to routed calls, such as retries, hedges and waits for a token.',
    labels: ['database', 'event'],
    *samples({ pools }) {
      for (const { name, now } of pools) {
        for (const [reason, count] of Object.entries(now.routing ?? {}))
          if (TARGETS[reason] === undefined) yield [[name, reason], count]
      }
    },
  },
  {
    name: 'poolhouse_node_state',
    type: 'gauge',
    unit: '1',
    help: '1 for the state that each node is in: primary, replica, unreachable, fenced and so on.',
    labels: ['database', 'node', 'state'],
    *samples(view) {
      for (const { database, node } of nodesOf(view)) yield [[database, node.id, node.state], 1]
    },
  },
  {
    name: 'poolhouse_replica_staleness_seconds',
    type: 'gauge',
    unit: 's',
    help: 'Upper bound of the age of what a replica shows; absent while it is not known.',
    labels: ['database', 'node'],
    *samples(view) {
      for (const { database, node } of nodesOf(view))
        if (node.lag?.ms !== undefined) yield [[database, node.id], node.lag.ms / 1_000]
    },
  },
  {
    name: 'poolhouse_replica_staleness_bytes',
    type: 'gauge',
    unit: 'By',
    help: 'Write-ahead log that a replica has not replayed; absent while it is not known.',
    labels: ['database', 'node'],
    *samples(view) {
      for (const { database, node } of nodesOf(view))
        if (node.lag?.bytes !== undefined) yield [[database, node.id], Number(node.lag.bytes)]
    },
  },
  {
    name: 'poolhouse_timeline',
    type: 'gauge',
    unit: '1',
    help: 'Highest timeline of PostgreSQL seen: it grows with each promotion.',
    labels: ['database'],
    *samples({ pools }) {
      for (const { name, topology } of pools) {
        const timeline = topology()?.timeline
        if (timeline !== undefined) yield [[name], timeline]
      }
    },
  },
  {
    name: 'poolhouse_failovers_total',
    type: 'counter',
    unit: '{failover}',
    help: 'Changes of the primary, planned or not.',
    labels: ['pool'],
    *samples({ counts }) {
      for (const [pool, count] of counts.failovers) yield [[pool], count]
    },
  },
  ofHolds(
    'poolhouse_holding',
    'gauge',
    '1',
    '1 while calls are held because there is no primary.',
    ({ holding }) => (holding ? 1 : 0),
  ),
  ofHolds(
    'poolhouse_hold_time_seconds',
    'summary',
    's',
    'How long calls were held until there was a primary: about the length of a failover.',
    (holds) => holds,
  ),
  ofHolds(
    'poolhouse_held_calls_total',
    'counter',
    '{call}',
    'Calls that were held until there was a primary.',
    ({ calls }) => calls,
  ),
  {
    name: 'poolhouse_events_total',
    type: 'counter',
    unit: '{event}',
    help: `Events by name: ${COUNTED_EVENTS.join(', ')}. Those of tenants that are not shown one by one, and of further pools than 100, have an empty pool.`,
    labels: ['pool', 'event'],
    *samples({ counts, pools }) {
      const names = new Set([...pools.map(({ name }) => name), ...counts.events.keys()])
      // From 0 on, because a rate does not see the first appearance of a series.
      for (const pool of names) {
        for (const event of COUNTED_EVENTS)
          yield [[pool, event], counts.events.get(pool)?.get(event) ?? 0]
      }
    },
  },
  ofBudgets(
    'poolhouse_budget_limit',
    'gauge',
    'Most connections of this process to a server.',
    ({ limit }) => limit,
  ),
  ofBudgets(
    'poolhouse_budget_used',
    'gauge',
    'Connections of pools that share the budget of a server.',
    ({ used }) => used,
  ),
  ofBudgets(
    'poolhouse_budget_beside',
    'gauge',
    'Connections of monitors and LISTEN to a server.',
    ({ beside }) => beside,
  ),
  ofBudgets(
    'poolhouse_budget_waiting',
    'gauge',
    'Pools that wait for a connection of the budget.',
    ({ waiting }) => waiting,
  ),
  ofBudgets(
    'poolhouse_budget_reclaimed_total',
    'counter',
    'Connections that were closed to make room for another pool.',
    ({ reclaimed }) => reclaimed,
  ),
  {
    name: 'poolhouse_budget_held',
    type: 'gauge',
    unit: '{connection}',
    help: 'Connections of a budget by database; those of all tenants together have an empty holder.',
    labels: ['server', 'kind', 'holder'],
    *samples({ observable }) {
      for (const [server, holders] of Object.entries(observable.holders())) {
        for (const { kind, name, held } of holders)
          if (kind === 'database') yield [[server, kind, name], held]
        const tenants = holders.filter(({ kind }) => kind === 'tenant')
        if (tenants.length > 0) yield [[server, 'tenant', ''], heldBy(tenants)]
      }
    },
  },
  {
    name: 'poolhouse_tenant_pools',
    type: 'gauge',
    unit: '{tenant}',
    help: 'Tenants that have pools.',
    labels: [],
    *samples({ observable }) {
      yield [[], observable.stats().tenantPools]
    },
  },
  {
    name: 'poolhouse_tenant_evictions_total',
    type: 'counter',
    unit: '{tenant}',
    help: 'Tenants that were dropped because they were unused, or too many.',
    labels: [],
    *samples({ observable }) {
      yield [[], observable.stats().tenantEvictions]
    },
  },
]

function heldBy(holders: readonly BudgetHolder[]): number {
  return holders.reduce((sum, { held }) => sum + held, 0)
}
