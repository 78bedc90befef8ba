import type { PoolStats } from '@poolhouse/core'
import type { ObservedStats } from '@poolhouse/core/kit'
import type { MetricKey } from './metric-table.js'
import type { Observe } from './observed-metrics.js'

/** The metrics that `observeStats` tells. */
export const STATS_GAUGES: readonly MetricKey[] = [
  'routingDecisions',
  'routingEvents',
  'budgetUsed',
  'budgetLimit',
  'tenantPools',
  'tenantEvictions',
]

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

/** Tells what the statistics say of routed calls, of budgets and of tenants. */
export function observeStats(stats: ObservedStats, hasTenants: boolean, observe: Observe): void {
  for (const [database, of] of Object.entries(stats.databases)) {
    observeRouting(database, of, observe)
  }
  for (const [server, { limit, used }] of Object.entries(stats.servers)) {
    const of = { 'poolhouse.server': server }
    observe('budgetUsed', used, of)
    if (Number.isFinite(limit)) observe('budgetLimit', limit, of)
  }
  if (!hasTenants) return
  observe('tenantPools', stats.tenantPools, {})
  observe('tenantEvictions', stats.tenantEvictions, {})
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
