import { createPool, type Driver } from '@poolhouse/core'
import { type FailoverOptions, type FailoverPool, withFailover } from '@poolhouse/failover'
import {
  type Cluster,
  type ClusterNode,
  type ClusterOptions,
  startCluster,
} from '@poolhouse/testkit'
import { replicasCaughtUp } from '../../support/servers/replicas-caught-up.js'

/** A real cluster and a failover pool over it. */
export interface FailoverCluster extends AsyncDisposable {
  readonly cluster: Cluster
  readonly pool: FailoverPool
  /** The node of this name. */
  node(name: string): ClusterNode
  /** Resolves when the pool satisfies the condition; rejects after 15 s with the topology. */
  until(condition: (pool: FailoverPool) => boolean): Promise<void>
  /** The ids in the table `writes` of one node. */
  stored(node: ClusterNode): Promise<number[]>
}

/** Starts a cluster with a table `writes`, and a failover pool over pools named like the nodes. */
export async function startFailoverCluster(
  driver: Driver,
  clusterOptions: ClusterOptions,
  options: FailoverOptions = {},
): Promise<FailoverCluster> {
  const cluster = await startCluster(clusterOptions)
  const pools = cluster.nodes.map(({ name, url }) =>
    createPool({ driver, connection: url, name, max: 10, statementTimeoutMs: 5_000 }),
  )
  const pool = withFailover(pools, { probe: { intervalMs: 250 }, ...options })
  await pool.query('create table writes(id int not null)')
  await replicasCaughtUp(cluster)
  return {
    cluster,
    pool,
    node: (name) => cluster.nodes.find((node) => node.name === name)!,
    until: (condition) => until(pool, condition),
    stored: async (node) =>
      (await node.sql<{ id: number }>('select id from writes')).map(({ id }) => id),
    async [Symbol.asyncDispose]() {
      await pool.close({ timeoutMs: 1_000 })
      await cluster.stop()
    },
  }
}

async function until(
  pool: FailoverPool,
  condition: (pool: FailoverPool) => boolean,
): Promise<void> {
  if (condition(pool)) return
  await new Promise<void>((resolve, reject) => {
    const end = pool.topology.subscribe(() => {
      if (!condition(pool)) return
      clearTimeout(timer)
      end()
      resolve()
    })
    const timer = setTimeout(() => {
      end()
      const shown = pool.topology.current.nodes.map(
        ({ id, state, reason }) => `${id} ${state}: ${reason}`,
      )
      reject(new Error(`the topology did not reach the expected state; ${shown.join('; ')}`))
    }, 15_000)
  })
}
