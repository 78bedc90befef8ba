import type { Pool, PoolStats, Topology } from '@poolhouse/core'

/** The health of one database, as known now. */
export interface DatabaseHealth {
  /** Whether it serves calls, at least reads. */
  readonly ready: boolean
  /** Whether it serves less than it should. */
  readonly degraded: boolean
  /** Why it is not ready or degraded, for humans. Holds no secrets. */
  readonly reasons: readonly string[]
}

/** The health of a manager, as known now. */
export interface ManagerHealth {
  /** Always true while the process runs; never depends on a database. */
  readonly live: boolean
  /** Whether it should get requests: every database is ready and no shutdown has started. */
  readonly ready: boolean
  /** Whether any database serves less than it should. */
  readonly degraded: boolean
  /** Why it is not ready or degraded, for humans. */
  readonly reasons: readonly string[]
  /** By name of the database. */
  readonly databases: Readonly<Record<string, DatabaseHealth>>
}

/**
 * Judges one database by what is known, without asking it. `lastFailure` is the message of its last
 * failed connect or check, if none has succeeded since.
 */
export function databaseHealth(
  pool: Pick<Pool, 'stats'> & {
    readonly topology?: Topology | undefined
    readonly strays?: ReadonlyMap<string, string> | undefined
  },
  lastFailure: string | undefined,
): DatabaseHealth {
  const { topology } = pool
  const stats = pool.stats()
  const reasons: string[] = []
  if (topology?.current.nodes.some(({ reason }) => reason !== 'configured')) {
    const { primary, replicas, nodes } = topology.current
    if (primary === undefined) reasons.push('no primary: writes wait')
    for (const { id, state, reason } of nodes) {
      if (state !== 'primary' && state !== 'replica') reasons.push(`${id} is ${state}: ${reason}`)
    }
    const ready = primary !== undefined || replicas.length > 0
    return Object.freeze({ ready, degraded: ready && reasons.length > 0, reasons })
  }
  if (lastFailure !== undefined) reasons.push(lastFailure)
  for (const [node, reason] of pool.strays ?? []) reasons.push(`${node}: ${reason}`)
  const isAstray = (pool.strays?.size ?? 0) > 0
  const works = stats.leased + stats.idle > 0
  const known = works || lastFailure !== undefined || stats.counters.created > 0
  if (!known) reasons.push('not used yet')
  const ready = known && (works || lastFailure === undefined)
  return Object.freeze({
    ready,
    degraded: ready && (isFull(stats) || isAstray),
    reasons: isFull(stats) ? [...reasons, full(stats)] : reasons,
  })
}

function isFull({ pending, idle, leased, max }: PoolStats): boolean {
  return pending > 0 && idle === 0 && leased >= max
}

function full({ pending, leased }: PoolStats): string {
  return `all ${leased} connections are in use and ${pending} calls wait`
}
