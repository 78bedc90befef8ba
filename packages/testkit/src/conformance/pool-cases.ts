import { endings } from './pool/endings.js'
import { leases } from './pool/leases.js'
import { subscriptions } from './pool/listening.js'
import { queries } from './pool/queries.js'
import { streams } from './pool/streams.js'
import { transactions } from './pool/transactions.js'
import type { PoolArea } from './pool-context.js'

/** Everything a pool must do, by area. */
export function poolCases(): readonly PoolArea[] {
  return [queries, leases, transactions, streams, subscriptions, endings]
}
