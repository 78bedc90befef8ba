import { PoolhouseError } from '@poolhouse/core'
import {
  checkNumber,
  describeValue,
  MAX_MS,
  messageOf,
  refuseUnknownOptions,
} from '@poolhouse/core/kit'
import type { DiscoveredNode, Discovery, DiscoveryContext } from './discovery.js'
import { getJson, type HttpTls } from './get-json.js'

/**
 * Options of `patroni`.
 *
 * @example
 * const discover = patroni({
 *   urls: ['https://a:8008', 'https://b:8008'],
 *   timeoutMs: 1_000,
 *   tls: { ca: await readFile('ca.pem') },
 *   zoneTag: 'availability-zone',
 * })
 */
export interface PatroniOptions {
  /**
   * Base URLs of the REST APIs, such as `http://a:8008`. One that answers is enough; the others are
   * tried when it does not.
   */
  urls: readonly (string | URL)[]
  /** Longest time for one request, in milliseconds. Default 2 000. */
  timeoutMs?: number | undefined
  /** TLS settings for `https:` URLs. Default: what Node.js trusts. */
  tls?: HttpTls | undefined
  /** Name of the tag that contains the zone of a member. Default `zone`. */
  zoneTag?: string | undefined
}

const WHERE = 'patroni'
const KNOWN: ReadonlySet<string> = new Set(['urls', 'timeoutMs', 'tls', 'zoneTag'])
// Names of the role that takes writes, in all versions since 1.0. The leader of a standby cluster
// takes none.
const PRIMARY: ReadonlySet<unknown> = new Set(['leader', 'master', 'primary'])
const REPLICA: ReadonlySet<unknown> = new Set([
  'replica',
  'sync_standby',
  'quorum_standby',
  'standby_leader',
])

/**
 * Finds the nodes of a Patroni cluster through `/cluster` of its REST API. Roles are only hints;
 * probes over SQL decide. The tag `noloadbalance` keeps reads away from a replica. The tag
 * `nofailover` is ignored, because Patroni never promotes such a member.
 *
 * Throws `TypeError` or `RangeError` for wrong options.
 *
 * @example
 * const urls = ['http://a:8008', 'http://b:8008', 'http://c:8008']
 * const db = withFailover({ discover: patroni({ urls }), pool: nodePool })
 */
export function patroni(options: PatroniOptions): Discovery {
  const { urls, timeoutMs, tls, zoneTag } = readOptions(options)
  // The URL that answered last is tried first.
  let order = urls
  return {
    name: `${WHERE}(${urls.map(({ host }) => host).join(', ')})`,
    async next({ signal, clock }) {
      const failures: Error[] = []
      for (const url of order) {
        try {
          const answer = await ask(url, tls, timeoutMs, signal, clock)
          const nodes = membersOf(answer, zoneTag)
          order = [url, ...order.filter((other) => other !== url)]
          return { nodes }
        } catch (cause) {
          if (signal.aborted) throw cause
          failures.push(new Error(`${url.host}: ${messageOf(cause) || 'no answer'}`, { cause }))
        }
      }
      throw new PoolhouseError(
        `no Patroni REST interface answers: ${failures.map(({ message }) => message).join('; ')}`,
        { retryable: true, cause: new AggregateError(failures) },
      )
    },
  }
}

async function ask(
  base: URL,
  tls: HttpTls | undefined,
  timeoutMs: number,
  signal: AbortSignal,
  clock: DiscoveryContext['clock'],
): Promise<unknown> {
  const ended = new AbortController()
  const late = new Error(`no answer within ${timeoutMs} ms`)
  const timer = clock.setTimer(() => ended.abort(late), timeoutMs)
  const url = new URL(`${base.pathname.replace(/\/$/, '')}/cluster`, base)
  try {
    return await getJson(url, tls, AbortSignal.any([signal, ended.signal]))
  } catch (error) {
    throw ended.signal.aborted ? late : error
  } finally {
    timer.cancel()
  }
}

/** A member in the answer of `/cluster`, before its fields are checked. */
interface RestMember {
  readonly name?: unknown
  readonly host?: unknown
  readonly port?: unknown
  readonly role?: unknown
  readonly tags?: Readonly<Record<string, unknown>> | null
}

/**
 * Reads the members of an answer. Skips a member without a usable address. Throws `TypeError` if
 * the answer has no list.
 */
export function membersOf(answer: unknown, zoneTag = 'zone'): DiscoveredNode[] {
  const members = (answer as { members?: unknown } | null)?.members
  if (!Array.isArray(members)) throw new TypeError('the answer has no list of members')
  const nodes: DiscoveredNode[] = []
  for (const member of members as readonly (RestMember | null)[]) {
    const host = member?.host
    const port = Number(member?.port)
    if (typeof host !== 'string' || host === '' || !(port >= 1 && port <= 65_535)) continue
    const tags = member!.tags ?? {}
    const zone = tags[zoneTag]
    nodes.push({
      host,
      port,
      name: typeof member!.name === 'string' ? member!.name : undefined,
      role: roleOf(member!.role),
      zone: typeof zone === 'string' ? zone : undefined,
      noReads: isSet(tags['noloadbalance']) ? 'tagged noloadbalance' : undefined,
    })
  }
  return nodes
}

function roleOf(role: unknown): DiscoveredNode['role'] {
  if (PRIMARY.has(role)) return 'primary'
  return REPLICA.has(role) ? 'replica' : undefined
}

/** Whether a tag is on. Tags are written by hand, in YAML of any spelling. */
function isSet(tag: unknown): boolean {
  return tag === true || tag === 1 || (typeof tag === 'string' && /^(true|on|yes|1)$/i.test(tag))
}

function readOptions(options: PatroniOptions): {
  urls: readonly URL[]
  tls: HttpTls | undefined
  timeoutMs: number
  zoneTag: string
} {
  refuseUnknownOptions(WHERE, options, KNOWN)
  const { urls, timeoutMs = 2_000, tls, zoneTag = 'zone' } = options
  if (!Array.isArray(urls) || urls.length === 0) {
    throw new TypeError(`${WHERE}: urls must be a list of URLs, got ${describeValue(urls)}`)
  }
  checkNumber(WHERE, 'timeoutMs', timeoutMs, { min: 1, max: MAX_MS })
  if (typeof zoneTag !== 'string' || zoneTag === '') {
    throw new TypeError(`${WHERE}: zoneTag must be a non-empty string`)
  }
  if (tls !== undefined && (tls === null || typeof tls !== 'object')) {
    throw new TypeError(`${WHERE}: tls must be an object, got ${describeValue(tls)}`)
  }
  return { urls: urls.map(readUrl), timeoutMs, tls, zoneTag }
}

function readUrl(given: unknown, index: number): URL {
  const url =
    given instanceof URL ? given : URL.canParse(String(given)) ? new URL(String(given)) : undefined
  if (url?.protocol !== 'http:' && url?.protocol !== 'https:') {
    throw new TypeError(`${WHERE}: urls[${index}] must be an http: or https: URL`)
  }
  return url
}
