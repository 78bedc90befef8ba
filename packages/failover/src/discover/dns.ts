import { Resolver } from 'node:dns/promises'
import {
  checkNumber,
  checkShownText,
  checkWord,
  describeValue,
  MAX_MS,
  refuseUnknownOptions,
} from '@poolhouse/core/kit'
import { addressOf, type DiscoveredNode, type Discovery } from './discovery.js'

/** What `dns` needs of a resolver. `Resolver` of `node:dns/promises` has it. */
export interface DnsResolver {
  /** IPv4 addresses of a name. */
  resolve4(
    name: string,
    options: { ttl: true },
  ): Promise<
    {
      /** The address. */
      address: string
      /** Time to live, in seconds. */
      ttl: number
    }[]
  >
  /** IPv6 addresses of a name. */
  resolve6(
    name: string,
    options: { ttl: true },
  ): Promise<
    {
      /** The address. */
      address: string
      /** Time to live, in seconds. */
      ttl: number
    }[]
  >
  /** Service records of a name. */
  resolveSrv(name: string): Promise<
    {
      /** Name of the server. */
      name: string
      /** Its port. */
      port: number
      /** Records with a lower number come first. */
      priority: number
    }[]
  >
}

/**
 * Options of `dns`. Exactly one of `name` and `srv` must be given.
 *
 * @example
 * dns({ name: 'postgres.db.svc.cluster.local', port: 5433, family: 4, timeoutMs: 1_000 })
 * dns({ srv: '_postgresql._tcp.db.example' })
 */
export interface DnsOptions {
  /**
   * A name whose addresses are the nodes, such as that of a headless Kubernetes service. Default:
   * none.
   */
  name?: string | undefined
  /**
   * A name whose service records are the nodes, such as `_postgresql._tcp.db.example`. The names in
   * the records are resolved anew at each connect. Default: none.
   */
  srv?: string | undefined
  /** Port of the nodes of `name`. Default 5432. Service records contain the port. */
  port?: number | undefined
  /**
   * Which addresses of `name` are nodes: IPv4 (4) or IPv6 (6). Default: the IPv4 addresses, or the
   * IPv6 ones if there are none. Never both, because a server with one of each would look like two
   * nodes.
   */
  family?: 4 | 6 | undefined
  /** Longest time for one query to a name server, in milliseconds. Default 2 000. */
  timeoutMs?: number | undefined
  /**
   * Resolves the names. Default: a `Resolver` with the name servers of the system, which does not
   * read `/etc/hosts`.
   *
   * @example
   * import { Resolver } from 'node:dns/promises'
   *
   * const resolver = new Resolver()
   * resolver.setServers(['10.0.0.2'])
   * dns({ name: 'postgres.db.example', resolver })
   */
  resolver?: DnsResolver | undefined
}

/** A node found by DNS: an address, or the target of a service record. */
export interface DnsNode extends DiscoveredNode {
  /**
   * The name to check the server's certificate against: the target of the service record, or the
   * name that was resolved to this address.
   */
  readonly serverName: string
}

const WHERE = 'dns'
const KNOWN: ReadonlySet<string> = new Set([
  'name',
  'srv',
  'port',
  'family',
  'timeoutMs',
  'resolver',
])
// The name server says that there is no such record; other codes mean that it could not say.
const NO_RECORD: ReadonlySet<string> = new Set(['ENODATA', 'ENOTFOUND'])
const LEAST_VALID_MS = 1_000
const MOST_VALID_MS = 60_000

/**
 * Finds the nodes of a cluster by DNS: the addresses of a name, asked for again when their time to
 * live is over (at least 1 s, at most 60 s), or the service records of a name. With TLS, pass the
 * node's `serverName` to its pool, because its `host` may be an address.
 *
 * Throws `TypeError` or `RangeError` for wrong options.
 *
 * @example
 * const discover = dns({ name: 'postgres.db.svc.cluster.local' })
 * const db = withFailover({
 *   discover,
 *   pool: ({ host, port, serverName }) =>
 *     createPool({ driver, connection: { host, port, user: 'app', ssl: { serverName } } }),
 * })
 */
export function dns(options: DnsOptions): Discovery<DnsNode> {
  const { name, srv, port, family, timeoutMs } = readOptions(options)
  const resolver: DnsResolver = options.resolver ?? new Resolver({ timeout: timeoutMs, tries: 1 })
  if (srv !== undefined) {
    return {
      name: `dns(srv ${srv})`,
      async next() {
        const records = await recordsOf(() => resolver.resolveSrv(srv))
        const nodes = records
          .map(({ name: host, port: at }) => ({ host, port: at, serverName: host }))
          .sort(byAddress)
        return { nodes }
      },
    }
  }
  return {
    name: `dns(${name})`,
    async next() {
      const of = (method: 'resolve4' | 'resolve6') =>
        recordsOf(() => resolver[method](name!, { ttl: true }))
      let records = family === 6 ? [] : await of('resolve4')
      if (records.length === 0 && family !== 4) records = await of('resolve6')
      const nodes = records
        .map(({ address }) => ({ host: address, port, serverName: name! }))
        .sort(byAddress)
      const ttlMs = Math.min(...records.map(({ ttl }) => ttl * 1_000))
      const validMs = Math.min(MOST_VALID_MS, Math.max(LEAST_VALID_MS, ttlMs))
      return { nodes, validMs: records.length === 0 ? undefined : validMs }
    },
  }
}

/** Sorts the nodes, because name servers rotate their answers. */
function byAddress(one: DiscoveredNode, other: DiscoveredNode): number {
  return addressOf(one) < addressOf(other) ? -1 : 1
}

async function recordsOf<T>(resolve: () => Promise<T[]>): Promise<T[]> {
  try {
    return await resolve()
  } catch (error) {
    if (NO_RECORD.has((error as { code?: string }).code ?? '')) return []
    throw error
  }
}

function readOptions(options: DnsOptions): DnsOptions & { port: number; timeoutMs: number } {
  refuseUnknownOptions(WHERE, options, KNOWN)
  const { name, srv, port = 5432, family, timeoutMs = 2_000, resolver } = options
  const given = name ?? srv
  if (typeof given !== 'string' || given === '' || (name !== undefined && srv !== undefined)) {
    throw new TypeError(`${WHERE}: either name or srv must be given, as a non-empty string`)
  }
  checkShownText(WHERE, name === undefined ? 'srv' : 'name', given)
  if (srv !== undefined && (options.port !== undefined || family !== undefined)) {
    throw new TypeError(
      `${WHERE}: port and family apply to name only; service records contain the port`,
    )
  }
  checkNumber(WHERE, 'port', port, { min: 1, max: 65_535, integer: true })
  checkNumber(WHERE, 'timeoutMs', timeoutMs, { min: 1, max: MAX_MS })
  if (family !== undefined) checkWord(WHERE, 'family', String(family), ['4', '6'])
  if (resolver !== undefined && typeof resolver?.resolve4 !== 'function') {
    throw new TypeError(`${WHERE}: resolver must be a resolver, got ${describeValue(resolver)}`)
  }
  return { ...options, port, timeoutMs }
}
