import { batches } from './batches.js'
import { endings } from './endings.js'
import { failures } from './failures.js'
import { leases } from './leases.js'
import { subscriptions } from './listening.js'
import type { PoolArea } from './pool-context.js'
import { promises } from './promises.js'
import { queries } from './queries.js'
import { readiness } from './readiness.js'
import { refusals } from './refusals.js'
import { retries } from './retries.js'
import { staleness } from './staleness.js'
import { streams } from './streams.js'
import { transactions } from './transactions.js'
import { waiting } from './waiting.js'

/** Everything a pool must do, by area. */
export function poolCases(): readonly PoolArea[] {
  return [
    queries,
    leases,
    transactions,
    batches,
    retries,
    streams,
    waiting,
    readiness,
    staleness,
    subscriptions,
    refusals,
    failures,
    promises,
    endings,
  ]
}
