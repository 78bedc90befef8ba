import { type ConnectionPool, createPool, type Driver, type Session } from '@poolhouse/core'
import {
  checkNumber,
  checkShownText,
  describeValue,
  formatEndpoint,
  MAX_MS,
  refuseUnknownOptions,
} from '@poolhouse/core/kit'
import { connectSession, type Library, readFields } from '@poolhouse/core/net'
import type { DiscoveredNode, Discovery } from './discovery.js'

/**
 * Options of `pgAutoFailover`.
 *
 * @example
 * const discover = pgAutoFailover({
 *   monitor: 'postgres://autoctl_node@monitor:5432/pg_auto_failover',
 *   formation: 'default',
 *   group: 0,
 *   timeoutMs: 1_000,
 * })
 */
export interface PgAutoFailoverOptions {
  /**
   * The monitor: its connection URL, as `pg_autoctl show uri --monitor` prints it, or a pool for
   * it, which the caller closes. One session is open to it, outside the pool's `max`.
   */
  monitor: string | ConnectionPool
  /** Name of the formation. Default `default`. */
  formation?: string | undefined
  /** Number of the group in the formation, an integer: above 0 only with Citus. Default 0. */
  group?: number | undefined
  /**
   * Longest time for a log-in at the monitor, and for one answer, in milliseconds. Default 2 000.
   */
  timeoutMs?: number | undefined
}

/** A row of the answer. */
interface Member {
  readonly name: string
  readonly host: string
  readonly port: number
  readonly reported: string
  readonly assigned: string
}

const WHERE = 'pgAutoFailover'
const KNOWN: ReadonlySet<string> = new Set(['monitor', 'formation', 'group', 'timeoutMs'])
// A node that is being dropped is not part of the cluster any more.
const QUESTION = `select nodename as name, nodehost as host, nodeport as port,
  current_group_state::text as reported, assigned_group_state::text as assigned
  from pgautofailover.current_state($1, $2) where assigned_group_state::text <> 'dropped'`

// States of a keeper: https://pg-auto-failover.readthedocs.io/en/main/failover-state-machine.html
const PRIMARY: ReadonlySet<string> = new Set([
  'single',
  'wait_primary',
  'primary',
  'join_primary',
  'apply_settings',
])
const REPLICA: ReadonlySet<string> = new Set(['catchingup', 'secondary', 'join_secondary'])
const MAINTENANCE: ReadonlySet<string> = new Set([
  'prepare_maintenance',
  'wait_maintenance',
  'maintenance',
])

// The application's driver is not known here, and not needed: core speaks the protocol.
const LIBRARY: Library = {
  makeClient: () => {
    throw new Error(`${WHERE}: a session of the monitor has no client`)
  },
  errorOf: (body) => new Error(readFields(body)['M']),
}
const DRIVER: Driver = {
  name: WHERE,
  capabilities: { pipeline: true, namedStatements: true },
  connect: (context) => connectSession(LIBRARY, context),
}

/**
 * Finds the nodes of a pg_auto_failover formation by asking its monitor. Roles are only hints;
 * probes over SQL decide, so a monitor that is down or late only delays the arrival of new nodes. A
 * node in maintenance gets no reads. The role of the monitor's URL must be allowed to run
 * `pgautofailover.current_state`, as `autoctl_node` is.
 *
 * Throws `TypeError` or `RangeError` for wrong options.
 *
 * @example
 * const monitor = 'postgres://autoctl_node@monitor:5432/pg_auto_failover'
 * const db = withFailover({ discover: pgAutoFailover({ monitor }), pool: nodePool })
 */
export function pgAutoFailover(options: PgAutoFailoverOptions): Discovery {
  const { pool, formation, group, timeoutMs } = readOptions(options)
  let open: Session | undefined
  return {
    name: `${WHERE}(${formatEndpoint(pool.endpoint)}, ${formation})`,
    async next({ signal, clock }) {
      if (open?.closed !== false) {
        open = await pool.openSession({ timeoutMs, signal, applicationName: 'poolhouse-discovery' })
        const end = () => open?.destroy('the nodes are not needed any more')
        signal.addEventListener('abort', end, { once: true, signal: open.signal })
      }
      const session = open
      const late = (): void => session.destroy(`no answer within ${timeoutMs} ms`)
      const timer = clock.setTimer(late, timeoutMs)
      try {
        const { rows } = await session.query<Member>(QUESTION, [formation, group])
        return { nodes: rows.map(nodeOf) }
      } finally {
        timer.cancel()
      }
    },
  }
}

function nodeOf({ name, host, port, reported, assigned }: Member): DiscoveredNode {
  const both = [reported, assigned]
  return {
    host,
    port,
    name,
    role: both.every((state) => PRIMARY.has(state))
      ? 'primary'
      : both.every((state) => REPLICA.has(state))
        ? 'replica'
        : undefined,
    noReads: both.some((state) => MAINTENANCE.has(state)) ? 'in maintenance' : undefined,
  }
}

function readOptions(options: PgAutoFailoverOptions): {
  pool: Pick<ConnectionPool, 'endpoint' | 'openSession'>
  formation: string
  group: number
  timeoutMs: number
} {
  refuseUnknownOptions(WHERE, options, KNOWN)
  const { monitor, formation = 'default', group = 0, timeoutMs = 2_000 } = options
  checkShownText(WHERE, 'formation', formation)
  checkNumber(WHERE, 'group', group, { min: 0, max: 0x7fffffff, integer: true })
  checkNumber(WHERE, 'timeoutMs', timeoutMs, { min: 1, max: MAX_MS })
  if (typeof monitor !== 'string' && typeof monitor?.openSession !== 'function') {
    throw new TypeError(
      `${WHERE}: monitor must be the monitor's connection URL or a pool made by createPool, got ${describeValue(monitor)}`,
    )
  }
  const pool = typeof monitor === 'string' ? poolOf(monitor) : monitor
  return { pool, formation, group, timeoutMs }
}

/** A pool that lends nothing: only its sessions are used. */
function poolOf(connection: string): ConnectionPool {
  try {
    return createPool({ driver: DRIVER, connection, name: 'monitor' })
  } catch (cause) {
    // Errors of createPool name the option `connection`.
    throw new TypeError(`${WHERE}: monitor: ${(cause as Error).message}`, { cause })
  }
}
