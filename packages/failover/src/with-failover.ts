import type { ConnectionPool } from '@poolhouse/core'
import { type FailoverOptions, readFailoverOptions } from './failover-options.js'
import { type FailoverPool, PrimaryPool } from './failover-pool.js'

/**
 * Makes one pool out of the pools of the servers of one PostgreSQL cluster: it finds the primary, follows it through a
 * failover, keeps stale primaries out, and holds work while there is none. Begins to probe at once, in the background. Closing
 * it closes the pools it was given.
 *
 * Throws `TypeError` or `RangeError`, naming the option and the value, for options that are unknown, of the wrong type or out
 * of range, for an empty list, and for two nodes with one name or one endpoint.
 */
export function withFailover(
  nodes: readonly ConnectionPool[],
  options: FailoverOptions = {},
): FailoverPool {
  const config = readFailoverOptions(nodes, options)
  return new PrimaryPool([...nodes], config)
}
