import {
  checkBoolean,
  checkNumber,
  describeValue,
  parseConnectionUrl,
  refuseUnknownOptions,
} from '@poolhouse/core/kit'

/**
 * What kind of Pgpool-II to start. Only `targets` must be given.
 *
 * @example
 * await startPgpool({
 *   targets: cluster.nodes.map(({ url }) => url),
 *   loadBalance: true,
 *   clients: 8,
 *   settings: { log_statement: 'on' },
 * })
 */
export interface StartPgpoolOptions {
  /**
   * Connection URLs of the servers behind it, all with the same user, password and database:
   * `cluster.nodes.map(({ url }) => url)`. Which of them is the primary, Pgpool-II asks them.
   */
  targets: readonly string[]
  /** Whether it spreads reads over the servers: `load_balance_mode`. Default false. */
  loadBalance?: boolean
  /** Clients that are served at a time: `num_init_children`. Others wait. Default 32. */
  clients?: number
  /** Further lines of `pgpool.conf`; they win over the kit's. Default: none. */
  settings?: Readonly<Record<string, string | number>>
}

/** A server behind a Pgpool-II. */
interface PgpoolTarget {
  /** Host name or address. */
  readonly host: string
  /** TCP port. */
  readonly port: number
}

/** The options with every default filled in. */
export interface ResolvedPgpoolOptions extends Required<Omit<StartPgpoolOptions, 'targets'>> {
  /** The servers behind it. */
  readonly targets: readonly PgpoolTarget[]
  /** User, on both sides of Pgpool-II. */
  readonly user: string
  /** Password of that user; undefined where the servers ask for none. */
  readonly password: string | undefined
  /** Database. */
  readonly database: string
}

const WHERE = 'startPgpool'
const KNOWN: ReadonlySet<string> = new Set(['targets', 'loadBalance', 'clients', 'settings'])

/**
 * Checks the options and fills in the defaults. Throws `TypeError` or `RangeError` naming the
 * option, never a password.
 */
export function resolvePgpoolOptions(options: StartPgpoolOptions): ResolvedPgpoolOptions {
  refuseUnknownOptions(WHERE, options, KNOWN)
  const { targets, loadBalance = false, clients = 32, settings = {} } = options
  checkBoolean(WHERE, 'loadBalance', loadBalance)
  checkNumber(WHERE, 'clients', clients, { min: 1, max: 1_000, integer: true })
  for (const [name, value] of Object.entries(settings)) {
    if (!/^\w+$/.test(name) || /[\r\n']/.test(String(value))) {
      throw new TypeError(
        `${WHERE}: settings.${name} must be the name of a setting and a value of one line without quotes, got ${describeValue(value)}`,
      )
    }
  }
  if (!Array.isArray(targets) || targets.length === 0) {
    throw new TypeError(`${WHERE}: targets must be a list of at least one connection URL`)
  }
  const [first, ...others] = targets.map(readTarget)
  const { user, password, database } = first!
  if (others.some((other) => other.user !== user || other.database !== database)) {
    throw new TypeError(`${WHERE}: targets must all have the same user and database`)
  }
  return {
    targets: [first!, ...others].map(({ host, port }) => ({ host, port })),
    user,
    password,
    database,
    loadBalance,
    clients,
    settings,
  }
}

function readTarget(
  url: unknown,
): PgpoolTarget & Pick<ResolvedPgpoolOptions, 'user' | 'password' | 'database'> {
  if (typeof url !== 'string') {
    throw new TypeError(`${WHERE}: targets must be connection URLs, got ${describeValue(url)}`)
  }
  const { hosts, user, password, database } = parseConnectionUrl(WHERE, url)
  const [first, ...others] = hosts
  if (user === undefined || database === undefined || others.length > 0) {
    throw new TypeError(`${WHERE}: each of targets must name one host, a user and a database`)
  }
  return { host: first?.host ?? 'localhost', port: first?.port ?? 5432, user, password, database }
}
