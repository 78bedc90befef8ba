import type { ConnectionPool } from '@poolhouse/core'
import type { DiscoveredNode, DiscoveredNodes } from './discover/discovery.js'
import { type FailoverOptions, readFailoverOptions } from './options/failover-options.js'
import type { NodeSource } from './options/node-source.js'
import { type FailoverPool, PrimaryPool } from './primary-pool.js'

/**
 * Makes one pool out of the servers of one PostgreSQL cluster. The pool finds the primary, follows
 * it through a failover, keeps stale primaries out, and holds calls while there is no primary.
 * Takes the pools of the servers, or a discovery together with a function that makes the pool of
 * each node found. Probing begins at once, in the background. Closing the pool closes all pools of
 * its nodes.
 *
 * Throws `TypeError` or `RangeError` that names the option and the value: for an option that is
 * unknown, of the wrong type or out of range, for an empty list, and for two nodes with the same
 * name or the same endpoint.
 *
 * @example
 * const db = withFailover([
 *   createPool({ driver, connection: 'postgres://app@a/shop' }),
 *   createPool({ driver, connection: 'postgres://app@b/shop' }),
 * ])
 * await db.query('select 1') // on whichever is the primary
 * @example
 * const discover = hosts('postgres://app@a,b,c/shop')
 * const db = withFailover({
 *   discover,
 *   pool: ({ connection }) => createPool({ driver, connection }),
 * })
 */
export function withFailover<Node extends DiscoveredNode = DiscoveredNode, Raw = unknown>(
  nodes: readonly ConnectionPool<Raw>[] | DiscoveredNodes<Node, Raw>,
  options: FailoverOptions = {},
): FailoverPool<Raw> {
  // Only the application's own `pool` function sees the additional fields of discovered nodes.
  const source: NodeSource = Array.isArray(nodes) ? [...nodes] : (nodes as DiscoveredNodes<Node>)
  return new PrimaryPool(
    source,
    readFailoverOptions(source, options),
  ) as FailoverPool as FailoverPool<Raw>
}
