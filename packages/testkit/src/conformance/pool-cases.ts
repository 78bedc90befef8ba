import { endings } from './pool/endings.js'
import { leases } from './pool/leases.js'
import { subscriptions } from './pool/listening.js'
import { promises } from './pool/promises.js'
import { queries } from './pool/queries.js'
import { readiness } from './pool/readiness.js'
import { refusals } from './pool/refusals.js'
import { retries } from './pool/retries.js'
import { staleness } from './pool/staleness.js'
import { streams } from './pool/streams.js'
import { transactions } from './pool/transactions.js'
import { waiting } from './pool/waiting.js'
import type { PoolArea } from './pool-context.js'

/** Everything a pool must do, by area. */
export function poolCases(): readonly PoolArea[] {
  return [
    queries,
    leases,
    transactions,
    retries,
    streams,
    waiting,
    readiness,
    staleness,
    subscriptions,
    refusals,
    promises,
    endings,
  ]
}
