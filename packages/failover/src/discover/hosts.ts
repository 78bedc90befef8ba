import { connectionUrl, describeValue, parseConnectionUrl } from '@poolhouse/core/kit'
import type { DiscoveredNode, Discovery } from './discovery.js'

/** A host of a connection URL. */
export interface HostNode extends DiscoveredNode {
  /**
   * The URL with only this host, for `createPool`. Not enumerable, because it may contain a
   * password.
   */
  readonly connection: string
}

const DEFAULT_PORT = 5432
const FOR_WRITES: ReadonlySet<string> = new Set(['any', 'read-write', 'primary'])
// Parameters about the list of hosts, which the URL of a single host must not have.
const OF_THE_LIST: ReadonlySet<string> = new Set([
  'host',
  'hostaddr',
  'port',
  'target_session_attrs',
  'load_balance_hosts',
])

/**
 * A fixed list of nodes: the hosts of one connection URL in the form of libpq,
 * `postgres://app@a:5432,b:5433/app?target_session_attrs=primary`, or of a list of keywords,
 * `host=a,b dbname=app`. `target_session_attrs` may be `any`, `read-write` or `primary`, which all
 * mean the primary here. Each node has the URL of its own host as `connection`.
 *
 * Throws `TypeError` for a malformed URL, a URL without hosts, or one that asks for standbys.
 *
 * @example
 * const db = withFailover({
 *   discover: hosts('postgres://app@a:5432,b:5433/shop?target_session_attrs=primary'),
 *   pool: ({ connection }) => createPool({ driver, connection }),
 * })
 */
export function hosts(url: string): Discovery<HostNode> {
  if (typeof url !== 'string') {
    throw new TypeError(`hosts: url must be a string, got ${describeValue(url)}`)
  }
  const parsed = parseConnectionUrl('hosts', url)
  if (parsed.hosts.length === 0) throw new TypeError('hosts: url names no host')
  const wanted = parsed.targetSessionAttrs ?? 'any'
  if (!FOR_WRITES.has(wanted)) {
    throw new TypeError(
      `hosts: target_session_attrs must be any, read-write or primary, because a failover pool follows the primary; to read from replicas, pass its topology to withReplicas`,
    )
  }
  const nodes = parsed.hosts.map(({ host = 'localhost', port = DEFAULT_PORT, hostaddr }) =>
    hostNode({ host, port, hostaddr }, connectionUrl('hosts', url)),
  )
  return {
    name: `hosts(${nodes.map(({ host, port }) => `${host}:${port}`).join(', ')})`,
    next: () => Promise.resolve({ nodes, validMs: Number.POSITIVE_INFINITY }),
  }
}

/** One host of the URL. */
interface OneHost {
  readonly host: string
  readonly port: number
  readonly hostaddr: string | undefined
}

function hostNode(one: OneHost, url: string): HostNode {
  const node = { host: one.host, port: one.port } as HostNode
  Object.defineProperty(node, 'connection', { value: urlOf(url, one) })
  return Object.freeze(node)
}

/** The URL with only this host. It has been parsed before, so it is known to be well formed. */
function urlOf(url: string, { host, port, hostaddr }: OneHost): string {
  const [, scheme, beforeQuery, query] = /^(\w+:\/\/)([^?]*)\??(.*)$/s.exec(url)!
  const slash = beforeQuery!.indexOf('/')
  const authority = slash === -1 ? beforeQuery! : beforeQuery!.slice(0, slash)
  const path = slash === -1 ? '' : beforeQuery!.slice(slash)
  const user = authority.slice(0, authority.lastIndexOf('@') + 1)
  const kept = query!.split('&').filter((pair) => {
    const name = decodeURIComponent(pair.split('=', 1)[0]!)
    return name !== '' && !OF_THE_LIST.has(name)
  })
  if (hostaddr !== undefined) kept.push(`hostaddr=${encodeURIComponent(hostaddr)}`)
  const name = host.includes(':') ? `[${host}]` : encodeURIComponent(host)
  const parameters = kept.length === 0 ? '' : `?${kept.join('&')}`
  return `${scheme}${user}${name}:${port}${path}${parameters}`
}
