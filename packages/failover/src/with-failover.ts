import type { ConnectionPool } from '@poolhouse/core'
import type { DiscoveredNode, DiscoveredNodes } from './discover/discovery.js'
import { type FailoverOptions, readFailoverOptions } from './options/failover-options.js'
import type { NodeSource } from './options/node-source.js'
import { type FailoverPool, PrimaryPool } from './primary-pool.js'

/**
 * Makes one pool out of the servers of one PostgreSQL cluster: it finds the primary, follows it
 * through a failover, keeps stale primaries out, and holds work while there is none. Takes the
 * pools of the servers, or a discovery that lists them and a function that makes the pool of each.
 * Begins to probe at once, in the background. Closing it closes all these pools.
 *
 * Throws `TypeError` or `RangeError`, naming the option and the value, for options that are
 * unknown, of the wrong type or out of range, for an empty list, and for two nodes with one name or
 * one endpoint.
 */
export function withFailover<Node extends DiscoveredNode = DiscoveredNode>(
  nodes: readonly ConnectionPool[] | DiscoveredNodes<Node>,
  options: FailoverOptions = {},
): FailoverPool {
  // What a discovery lists is given to its own factory alone, so what else its nodes carry matters
  // to nobody here.
  const source: NodeSource = Array.isArray(nodes) ? [...nodes] : (nodes as DiscoveredNodes<Node>)
  return new PrimaryPool(source, readFailoverOptions(source, options))
}
