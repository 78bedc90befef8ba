import { type ConnectionPool, createPool, type Driver } from '@poolhouse/core'
import { type ReplicaPool, type ReplicasOptions, withReplicas } from '@poolhouse/read-replicas'
import {
  type Cluster,
  type ClusterNode,
  type ClusterOptions,
  startCluster,
} from '@poolhouse/testkit'

/** A real primary with two replicas that is shared by the tests of a file. */
export interface ReplicaCluster extends AsyncDisposable {
  readonly cluster: Cluster
  readonly primary: ClusterNode
  readonly b: ClusterNode
  readonly c: ClusterNode
  /** Pools over it, as a user would make them: the pools are named like the nodes. */
  connect(driver: Driver, options?: ReplicasOptions): Routed
}

/** Pools over the cluster. Closing it closes them all. */
interface Routed extends AsyncDisposable {
  readonly db: ReplicaPool
  readonly pools: readonly ConnectionPool[]
}

/** Starts it, with an empty table `notes(id int)`. */
export async function startReplicaCluster(options: ClusterOptions = {}): Promise<ReplicaCluster> {
  const cluster = await startCluster({ replicas: 2, ...options })
  const [primary, b, c] = cluster.nodes as [ClusterNode, ClusterNode, ClusterNode]
  await primary.sql('create table notes(id int not null)')
  await primary.sql('grant all on notes to public')
  return {
    cluster,
    primary,
    b,
    c,
    connect: (driver, replicasOptions) => {
      const pools = poolsOf(cluster, driver)
      const [first, ...others] = pools as [ConnectionPool, ...ConnectionPool[]]
      const db = withReplicas(first, others, replicasOptions)
      return { db, pools, [Symbol.asyncDispose]: () => db.close({ timeoutMs: 1_000 }) }
    },
    [Symbol.asyncDispose]: () => cluster.stop(),
  }
}

/** A pool for each node, named like it. */
export function poolsOf(cluster: Cluster, driver: Driver): ConnectionPool[] {
  return cluster.nodes.map(({ name, url }) =>
    createPool({ driver, connection: url, name, max: 10, statementTimeoutMs: 20_000 }),
  )
}

/** Which of the replicas fit a read now. */
export function fitting(db: ReplicaPool): string[] {
  return db
    .explainRoute('select 1', { intent: 'read' })
    .candidates.filter(({ eligible }) => eligible)
    .map(({ node }) => node)
}

/**
 * Resolves with the milliseconds until the condition holds; rejects after the limit with what was
 * seen last.
 */
export async function until<T>(
  look: () => T | Promise<T>,
  holds: (seen: T) => boolean,
  limitMs = 15_000,
): Promise<number> {
  const startedAt = performance.now()
  for (;;) {
    const seen = await look()
    const waitedMs = performance.now() - startedAt
    if (holds(seen)) return waitedMs
    if (waitedMs > limitMs) {
      throw new Error(`not within ${limitMs} ms; seen last: ${JSON.stringify(seen)}`)
    }
    await new Promise((resolve) => {
      setTimeout(resolve, 10)
    })
  }
}

/** Resolves when these replicas, and no others, fit a read. */
export async function untilFitting(
  db: ReplicaPool,
  names: readonly string[],
  limitMs?: number,
): Promise<number> {
  const wanted = names.join()
  return await until(
    () => fitting(db),
    (seen) => seen.join() === wanted,
    limitMs,
  )
}
