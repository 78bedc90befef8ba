import type { BudgetOptions } from '@poolhouse/manager'
import type { TargetDatabase } from '../target/target.js'
import type { ExaminedServer } from './examined-server.js'
import type { Report } from './finding.js'

/** The servers of one database. */
export interface ExaminedDatabase {
  /** The database. */
  readonly database: TargetDatabase
  /** Its servers. */
  readonly servers: readonly ExaminedServer[]
}

/** What the application may open. */
export interface Demand {
  /** How many processes the application has. */
  readonly processes: number
  /** The budget of the configuration. */
  readonly budget: BudgetOptions
}

const POOL_MAX = 10

/**
 * Reports servers that allow fewer connections than pools × processes may open. Pools of several
 * databases on one server count together, and a budget that the configuration sets bounds them.
 */
export function checkCapacity(
  databases: readonly ExaminedDatabase[],
  { processes, budget }: Demand,
  about: (server: string) => Report,
): void {
  const places = new Map<string, (ExaminedServer & { readonly max: number })[]>()
  for (const { database, servers } of databases) {
    const { max = POOL_MAX } = database.options.pool ?? {}
    for (const one of servers) {
      const { host = 'localhost', port = 5432 } = one.server.connection
      const place = `${host}:${port}`
      places.set(place, [...(places.get(place) ?? []), { ...one, max }])
    }
  }
  for (const [place, pools] of places) {
    const { details, server } = pools.find((one) => one.details !== undefined) ?? {}
    if (details === undefined) continue
    const wanted = pools.reduce((sum, { max }) => sum + max, 0)
    const fixed = budget.servers?.[place] ?? budget.perServer
    const perProcess = typeof fixed === 'number' ? Math.min(wanted, fixed) : wanted
    const needed = perProcess * processes
    const [allowed, limit] = smallest([
      [
        details.available,
        `max_connections is ${details.maxConnections}, ${details.available} of them for this role`,
      ],
      [details.roleLimit, `role "${details.user}" has CONNECTION LIMIT ${details.roleLimit}`],
      [details.databaseLimit, `the database has CONNECTION LIMIT ${details.databaseLimit}`],
    ])
    // A budget that was asked for shares what there is.
    if (needed <= allowed || (fixed === 'auto' && shares(budget, processes))) continue
    const by = processes === 1 ? '' : ` × ${processes} processes`
    about(server!.endpoint)(
      'warning',
      'max-connections',
      `the pools may open ${needed} connections (${perProcess} per process${by}), and ${limit}`,
      `make pool.max smaller, or set budget: { perServer: ${Math.max(1, Math.floor((allowed * 0.9) / processes))} }, or raise the limit`,
    )
  }
}

/** Whether an automatic budget knows of all processes. */
function shares({ instances = 1 }: BudgetOptions, processes: number): boolean {
  return instances === 'discover' || instances >= processes
}

function smallest(
  limits: readonly (readonly [limit: number | undefined, why: string])[],
): readonly [limit: number, why: string] {
  return limits
    .filter((one): one is readonly [number, string] => one[0] !== undefined)
    .reduce((least, one) => (one[0] < least[0] ? one : least))
}
