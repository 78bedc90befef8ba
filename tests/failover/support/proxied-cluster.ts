import { createPool, type Driver } from '@poolhouse/core'
import { type FailoverOptions, type FailoverPool, withFailover } from '@poolhouse/failover'
import {
  type Cluster,
  type ClusterNode,
  type ClusterOptions,
  type FaultProxy,
  startCluster,
  startFaultProxy,
} from '@poolhouse/testkit'
import { replicasCaughtUp } from '../../support/servers/replicas-caught-up.js'

/** A real cluster whose nodes are reached through fault proxies, with failover pools over it. */
export interface ProxiedCluster extends AsyncDisposable {
  readonly cluster: Cluster
  /** The proxy in front of the first primary. */
  readonly proxy: FaultProxy
  /** The proxy in front of the node of this name. */
  proxyOf(name: string): FaultProxy
  /** The node of this name. */
  node(name: string): ClusterNode
  /** Makes a failover pool through the proxies. It is closed together with the cluster. */
  pool(driver: Driver, options?: FailoverOptions): FailoverPool
}

/**
 * Starts the cluster with a table `rows(id int)` without a key, so that a row can be written twice.
 */
export async function startProxiedCluster(options: ClusterOptions): Promise<ProxiedCluster> {
  const cluster = await startCluster(options)
  const proxies = await Promise.all(cluster.nodes.map(({ url }) => startFaultProxy(url)))
  const pools: FailoverPool[] = []
  const [first] = cluster.nodes
  await first!.sql('create table rows(id int not null)')
  await first!.sql(`grant all on rows to ${cluster.user}`)
  await first!.sql('grant create on schema public to public')
  await replicasCaughtUp(cluster)
  return {
    cluster,
    proxy: proxies[0]!,
    proxyOf: (name) => proxies[cluster.nodes.findIndex((node) => node.name === name)]!,
    node: (name) => cluster.nodes.find((node) => node.name === name)!,
    pool: (driver, failoverOptions = {}) => {
      const nodes = cluster.nodes.map(({ name }, index) =>
        createPool({
          driver,
          connection: proxies[index]!.url(),
          name,
          max: 10,
          statementTimeoutMs: 2_000,
        }),
      )
      const pool = withFailover(nodes, { probe: { intervalMs: 250 }, ...failoverOptions })
      pools.push(pool)
      return pool
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(pools.map((pool) => pool.close({ timeoutMs: 500 })))
      await Promise.all(proxies.map((proxy) => proxy.close()))
      await cluster.stop()
    },
  }
}
