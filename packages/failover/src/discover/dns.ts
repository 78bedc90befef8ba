import { Resolver } from 'node:dns/promises'
import {
  checkNumber,
  checkShownText,
  checkWord,
  describeValue,
  refuseUnknownOptions,
} from '@poolhouse/core/kit'
import { addressOf, type DiscoveredNode, type Discovery } from './discovery.js'

/** What `dns` asks of a resolver; `Resolver` of `node:dns/promises` does it. */
export interface DnsResolver {
  /** IPv4 addresses of a name. */
  resolve4(
    name: string,
    options: { ttl: true },
  ): Promise<
    {
      /** The address. */
      address: string
      /** How long it may be used, in seconds. */
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
      /** How long it may be used, in seconds. */
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
      /** Lower ones come first. */
      priority: number
    }[]
  >
}

/** Options of `dns`: either `name` or `srv`. */
export interface DnsOptions {
  /** A name whose addresses are the nodes, such as that of a headless service. */
  name?: string | undefined
  /**
   * A name whose service records are the nodes, `_postgresql._tcp.db.example`. Their names are
   * resolved anew at each connect.
   */
  srv?: string | undefined
  /** Port of the nodes of `name`. Default 5432. Service records say it themselves. */
  port?: number | undefined
  /**
   * Which addresses of `name` are nodes: 4 or 6. Default: the IPv4 addresses, or those of IPv6 if
   * there are none. Never both, because a server with one of each would be two nodes that claim to
   * be primary.
   */
  family?: 4 | 6 | undefined
  /** Longest time for one question to a name server, in milliseconds. Default 2 000. */
  timeoutMs?: number | undefined
  /**
   * Who resolves. Default: a `Resolver` with the name servers of the system; `/etc/hosts` is not
   * read.
   */
  resolver?: DnsResolver | undefined
}

/** An address or a target of a service record. */
export interface DnsNode extends DiscoveredNode {
  /**
   * The name that certificates are made for: that of the service record, or the name whose address
   * this is.
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
// There is no such record, as opposed to: nobody could say.
const NO_RECORD: ReadonlySet<string> = new Set(['ENODATA', 'ENOTFOUND'])
const LEAST_VALID_MS = 1_000
const MOST_VALID_MS = 60_000

/**
 * Finds the nodes of a cluster by DNS: the addresses of a name, for as long as they are valid (at
 * least 1 s, at most 60 s), or its service records. With TLS give `serverName` of the node to its
 * pool, because its `host` may be an address.
 *
 * Throws `TypeError` or `RangeError` for wrong options.
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

/** Name servers rotate their answers; nodes shall keep their places. */
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
  if (options === null || typeof options !== 'object') {
    throw new TypeError(`${WHERE}: options must be an object, got ${describeValue(options)}`)
  }
  refuseUnknownOptions(WHERE, options, KNOWN)
  const { name, srv, port = 5432, family, timeoutMs = 2_000, resolver } = options
  const given = name ?? srv
  if (typeof given !== 'string' || given === '' || (name !== undefined && srv !== undefined)) {
    throw new TypeError(`${WHERE}: either name or srv must be given, as a non-empty string`)
  }
  checkShownText(WHERE, name === undefined ? 'srv' : 'name', given)
  if (srv !== undefined && (options.port !== undefined || family !== undefined)) {
    throw new TypeError(`${WHERE}: port and family are for name; service records say them`)
  }
  checkNumber(WHERE, 'port', port, { min: 1, max: 65_535, integer: true })
  checkNumber(WHERE, 'timeoutMs', timeoutMs, { min: 1, max: 0x7fffffff })
  if (family !== undefined) checkWord(WHERE, 'family', String(family), ['4', '6'])
  if (resolver !== undefined && typeof resolver?.resolve4 !== 'function') {
    throw new TypeError(`${WHERE}: resolver must be a resolver, got ${describeValue(resolver)}`)
  }
  return { ...options, port, timeoutMs }
}
