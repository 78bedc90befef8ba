import type { ConnectionPool, Pool, Topology } from '@poolhouse/core'
import { describeValue } from '@poolhouse/core/kit'
import type { ReplicaPool } from './api/replica-pool.js'
import { isTopology, topologyOf } from './nodes/membership.js'
import { TopologyMembers } from './nodes/topology-members.js'
import { type ReplicaName, WatchedPools } from './nodes/watched-pools.js'
import { readReplicasOptions } from './options/replicas-config.js'
import type { ReplicasOptions } from './options/replicas-options.js'
import { type MembershipMaker, RoutingPool } from './routing-pool.js'

const WHERE = 'withReplicas'

/**
 * Makes a pool that sends declared reads to replicas that are fresh enough, and all other work to
 * the primary.
 *
 * `primary` is a `ConnectionPool` or a pool that follows the primary. `replicas` is an array of
 * pools, whose lag and health this package watches over one session each; or a topology that knows
 * both, such as that of a failover pool. A topology that is only configured, such as
 * `staticTopology()`, counts as the array of its replicas' pools.
 *
 * Throws `TypeError` or `RangeError`, naming the argument and the value, for arguments that are
 * neither, for a pool that is given on both sides or twice, and for options that are unknown or
 * wrong.
 *
 * @example
 * const db = withReplicas(primary, [replicaB, replicaC], { maxStalenessMs: 2_000 })
 * await db.query('insert into orders(id) values ($1)', [7])
 * await db.reader().query('select count(*) from orders')
 */
export function withReplicas<Raw = unknown, ReplicaRaw = Raw>(
  primary: Pool<Raw>,
  replicas: readonly ConnectionPool<ReplicaRaw>[] | Topology,
  options: ReplicasOptions = {},
): ReplicaPool<Raw | ReplicaRaw> {
  return routed(primary, replicas, options) as ReplicaPool<Raw | ReplicaRaw>
}

function routed(
  primary: Pool,
  replicas: readonly ConnectionPool[] | Topology,
  options: ReplicasOptions,
): ReplicaPool {
  checkPool('primary', primary)
  const topology = isTopology(replicas) ? replicas : undefined
  if (topology === undefined && !Array.isArray(replicas)) {
    throw new TypeError(
      `${WHERE}: replicas must be an array of pools or a topology, got ${describeValue(replicas)}${insteadOf(replicas)}`,
    )
  }
  const config = readReplicasOptions(options, primary.name, topology !== undefined)
  if (topology !== undefined && !isConfigured(topology)) {
    return new RoutingPool(primary, config, ({ background, set, ejection }) => {
      return new TopologyMembers(topology, background, set, ejection)
    })
  }
  const names: readonly ReplicaName[] =
    topology === undefined
      ? (replicas as readonly ConnectionPool[]).map((pool) => ({ pool, zone: undefined }))
      : topology.current.replicas.map(({ pool, zone }) => ({ pool, zone }))
  checkReplicas(
    primary,
    names.map(({ pool }) => pool),
  )
  const watch: MembershipMaker = ({ background, set, ejection, history }) => {
    const { random, terms } = config
    const options = { maxStalenessMs: terms.maxStalenessMs, random }
    return new WatchedPools(primary, names, options, background, set, ejection, history)
  }
  return new RoutingPool(primary, config, watch)
}

/** Whether the topology was only configured: it names replicas and has never looked at one. */
function isConfigured({ current }: Topology): boolean {
  return (
    current.systemId === undefined &&
    current.replicas.length > 0 &&
    current.replicas.every(({ lag }) => lag === undefined)
  )
}

function checkPool(argument: string, pool: unknown): void {
  const { query, close } = (pool ?? {}) as Partial<Pool>
  if (typeof query === 'function' && typeof close === 'function') return
  throw new TypeError(
    `${WHERE}: ${argument} must be a pool such as createPool() makes, got ${describeValue(pool)}${insteadOf(pool)}`,
  )
}

/** A suggestion for a caller who has given the address of a server instead of a pool. */
function insteadOf(value: unknown): string {
  return typeof value === 'string'
    ? '; make a pool of each server, createPool({ driver, connection: url })'
    : ''
}

function checkReplicas(primary: Pool, replicas: readonly ConnectionPool[]): void {
  const seen = new Set<Pool>()
  for (const [index, pool] of replicas.entries()) {
    const argument = `replicas[${index}]`
    checkPool(argument, pool)
    if (typeof pool.openSession !== 'function') {
      throw new TypeError(
        `${WHERE}: ${argument} must be a pool of connections to one server, got the pool "${pool.name}" of several`,
      )
    }
    if (pool === primary || topologyOf(primary)?.current.nodes.some((node) => node.pool === pool)) {
      throw new TypeError(
        `${WHERE}: ${argument} is the primary's own pool "${pool.name}"; make a pool of its own for each server`,
      )
    }
    if (seen.has(pool)) {
      throw new TypeError(`${WHERE}: ${argument} is the pool "${pool.name}" for the second time`)
    }
    seen.add(pool)
  }
}
