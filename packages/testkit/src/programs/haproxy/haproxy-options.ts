import { describeValue, parseConnectionUrl, refuseUnknownOptions } from '@poolhouse/core/kit'

/**
 * What kind of HAProxy to start. Only `targets` must be given.
 *
 * @example
 * await startHaproxy({
 *   targets: cluster.nodes.map(({ url }) => url),
 *   lines: ['timeout client 10s'],
 *   health: { path: '/primary', ports: [8008, 8009] },
 * })
 */
export interface HaproxyOptions {
  /**
   * Connection URLs of the servers behind it, each with user and database:
   * `cluster.nodes.map(({ url }) => url)`.
   */
  targets: readonly string[]
  /** Further lines of its `listen` section, such as `option tcp-check`. Default: none. */
  lines?: readonly string[]
  /**
   * Has HAProxy choose the target by itself: the one whose health check at this path and port
   * answers 200, such as `{ path: '/primary', ports }` with the REST ports of Patroni, one for each
   * target. Default: the first target serves, until `pointTo` says otherwise.
   */
  health?: HaproxyHealth
}

/**
 * Where HAProxy asks for the health of its targets, by HTTP.
 *
 * @example
 * await startHaproxy({ targets: urls, health: { path: '/primary', ports: [8008, 8009, 8010] } })
 */
export interface HaproxyHealth {
  /** Path of the request, such as `/primary`. */
  readonly path: string
  /** Port of each target, on its host. */
  readonly ports: readonly number[]
}

/** A server behind a HAProxy. */
interface HaproxyTarget {
  /** Host name or address. */
  readonly host: string
  /** TCP port. */
  readonly port: number
}

/** The options with every default filled in. */
export interface ResolvedHaproxyOptions {
  /** The servers behind it. */
  readonly targets: readonly HaproxyTarget[]
  /** Makes the URL through it of that of its first target. */
  readonly urlAt: (host: string, port: number) => string
  /** Further lines. */
  readonly lines: readonly string[]
  /** Where to ask for health. */
  readonly health: HaproxyHealth | undefined
}

const WHERE = 'startHaproxy'
const KNOWN: ReadonlySet<string> = new Set(['targets', 'lines', 'health'])

/**
 * Checks the options and fills in the defaults. Throws `TypeError` naming the option, never a
 * password.
 */
export function resolveHaproxyOptions(options: HaproxyOptions): ResolvedHaproxyOptions {
  refuseUnknownOptions(WHERE, options, KNOWN)
  const { targets, lines = [], health } = options
  if (!Array.isArray(targets) || targets.length === 0) {
    throw new TypeError(`${WHERE}: targets must be a list of at least one connection URL`)
  }
  if (
    !Array.isArray(lines) ||
    lines.some((line) => typeof line !== 'string' || /[\r\n]/.test(line))
  ) {
    throw new TypeError(`${WHERE}: lines must be a list of texts of one line each`)
  }
  if (health !== undefined) checkHealth(health, targets.length)
  const [first] = targets as readonly string[]
  return {
    targets: targets.map(readTarget),
    urlAt: (host, port) => {
      const url = new URL(first!)
      url.hostname = host
      url.port = String(port)
      return url.href
    },
    lines,
    health,
  }
}

function checkHealth({ path, ports }: HaproxyHealth, count: number): void {
  if (typeof path !== 'string' || !/^\/\S*$/.test(path)) {
    throw new TypeError(`${WHERE}: health.path must begin with "/", got ${describeValue(path)}`)
  }
  if (!Array.isArray(ports) || ports.length !== count || !ports.every(Number.isInteger)) {
    throw new TypeError(`${WHERE}: health.ports must be a list of ${count} ports, one a target`)
  }
}

function readTarget(url: unknown): HaproxyTarget {
  if (typeof url !== 'string') {
    throw new TypeError(`${WHERE}: targets must be connection URLs, got ${describeValue(url)}`)
  }
  const { hosts } = parseConnectionUrl(WHERE, url)
  const [first, ...others] = hosts
  if (others.length > 0) throw new TypeError(`${WHERE}: each of targets must name one host`)
  return { host: first?.host ?? 'localhost', port: first?.port ?? 5432 }
}
