import type { ConnectionPool } from '@poolhouse/core'
import {
  checkNumber,
  describeValue,
  formatEndpoint,
  MAX_MS,
  refuseUnknownOptions,
} from '@poolhouse/core/kit'
import type { DiscoveredNodes } from '../discover/discovery.js'

/**
 * Where the nodes of a cluster come from: a fixed list of pools, or a discovery together with a
 * function that makes the pool of each node found.
 */
export type NodeSource = readonly ConnectionPool[] | DiscoveredNodes

const WHERE = 'withFailover'
const NODE_METHODS = ['query', 'acquire', 'openSession', 'destroyAll', 'silentForMs'] as const
const KNOWN: ReadonlySet<string> = new Set(['discover', 'pool', 'intervalMs', 'removeAfterMs'])

/** Whether the value is a pool of connections to one server, as `createPool` makes it. */
export function isNode(value: unknown): value is ConnectionPool {
  const node = value as Partial<ConnectionPool> | null | undefined
  return NODE_METHODS.every((method) => typeof node?.[method] === 'function')
}

/** The source in a few words, for the default name of the failover pool. */
export function describeSource(source: NodeSource): string {
  return 'discover' in source ? source.discover.name : source.map((node) => node.name).join(', ')
}

/** Checks the first argument of `withFailover`. Throws `TypeError` or `RangeError`. */
export function checkSource(source: NodeSource): void {
  if (source === null || typeof source !== 'object' || !('discover' in source)) {
    checkNodes(source as readonly ConnectionPool[])
    return
  }
  const { discover, pool, intervalMs, removeAfterMs } = source as DiscoveredNodes
  refuseUnknownOptions(WHERE, source, KNOWN)
  if (typeof discover?.next !== 'function') {
    throw new TypeError(
      `${WHERE}: discover must be a discovery such as patroni(…), pgAutoFailover(…), dns(…) or hosts(…), got ${describeValue(discover)}`,
    )
  }
  if (typeof pool !== 'function') {
    throw new TypeError(
      `${WHERE}: pool must be a function that makes the pool of a node, got ${describeValue(pool)}`,
    )
  }
  const rule = { min: 1, max: MAX_MS }
  if (intervalMs !== undefined) checkNumber(WHERE, 'intervalMs', intervalMs, rule)
  if (removeAfterMs !== undefined) checkNumber(WHERE, 'removeAfterMs', removeAfterMs, rule)
}

/** Advice for the common mistake of passing a connection URL where a pool belongs. */
function adviceFor(value: unknown): string {
  if (typeof value !== 'string') return ''
  return '; make a pool of each server, createPool({ driver, connection: url }), or of a URL that lists them: { discover: hosts(url), pool: ({ connection }) => createPool({ driver, connection }) }'
}

function checkNodes(nodes: readonly ConnectionPool[]): void {
  if (!Array.isArray(nodes)) {
    throw new TypeError(
      `${WHERE}: nodes must be an array of pools, or an object with discover and pool, got ${describeValue(nodes)}${adviceFor(nodes)}`,
    )
  }
  if (nodes.length === 0) throw new RangeError(`${WHERE}: nodes must not be empty`)
  const names = new Set<string>()
  const endpoints = new Map<string, string>()
  for (const [index, node] of (nodes as readonly ConnectionPool[]).entries()) {
    if (!isNode(node)) {
      throw new TypeError(
        `${WHERE}: nodes[${index}] must be a pool made by createPool, got ${describeValue(node)}${adviceFor(node)}`,
      )
    }
    if (names.has(node.name)) {
      throw new RangeError(
        `${WHERE}: two nodes are named "${node.name}"; give each pool a name of its own`,
      )
    }
    names.add(node.name)
    const endpoint = formatEndpoint(node.endpoint)
    const twin = endpoints.get(endpoint)
    if (twin !== undefined) {
      throw new RangeError(
        `${WHERE}: nodes "${twin}" and "${node.name}" are both ${endpoint}; list each server once`,
      )
    }
    endpoints.set(endpoint, node.name)
  }
}
