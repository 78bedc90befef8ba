import type { PoolStats } from '@poolhouse/core'
import type { MetricKey } from './metric-table.js'
import type { Observe } from './observed-metrics.js'

/** The metrics that `observeStats` tells. */
export const STATS_GAUGES: readonly MetricKey[] = [
  'routingDecisions',
  'routingEvents',
  'budgetUsed',
  'budgetLimit',
  'tenantPools',
]

/** What a manager tells beside the statistics of its databases. */
interface ManagerStats {
  readonly databases: Readonly<Record<string, PoolStats>>
  readonly servers: Readonly<Record<string, { readonly limit: number; readonly used: number }>>
  readonly tenantPools: number
}

// Where calls have gone, by the reasons of `stats().routing`. What is not here is no decision.
const TARGETS: Readonly<Record<string, 'primary' | 'replica'>> = {
  write: 'primary',
  replica: 'replica',
  primaryNoReplicas: 'primary',
  primaryNoneFits: 'primary',
  primaryToken: 'primary',
  primarySerializable: 'primary',
  primaryStandby: 'primary',
  standIn: 'replica',
}

/** Tells what the statistics of a pool or of a manager say. `name` is that of the pool. */
export function observeStats(
  name: string,
  stats: PoolStats | ManagerStats,
  observe: Observe,
): void {
  if (!('servers' in stats)) {
    observeRouting(name, stats, observe)
    return
  }
  for (const [database, of] of Object.entries(stats.databases)) {
    observeRouting(database, of, observe)
  }
  for (const [server, { limit, used }] of Object.entries(stats.servers)) {
    const of = { 'poolhouse.server': server }
    observe('budgetUsed', used, of)
    if (Number.isFinite(limit)) observe('budgetLimit', limit, of)
  }
  observe('tenantPools', stats.tenantPools, {})
}

function observeRouting(pool: string, { routing }: PoolStats, observe: Observe): void {
  const of = { 'poolhouse.pool': pool }
  for (const [reason, count] of Object.entries(routing ?? {})) {
    const target = TARGETS[reason]
    if (target === undefined) {
      observe('routingEvents', count, { ...of, 'poolhouse.route.event': reason })
    } else {
      const route = { 'poolhouse.route.target': target, 'poolhouse.route.reason': reason }
      observe('routingDecisions', count, { ...of, ...route })
    }
  }
}
