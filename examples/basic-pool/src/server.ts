import { type ClusterNode, startCluster } from '@poolhouse/testkit'

/**
 * Runs `work` with a PostgreSQL server from npm, on a free port of 127.0.0.1; afterwards it and its
 * data are gone.
 */
export async function withServer(work: (server: ClusterNode) => Promise<void>): Promise<void> {
  await using cluster = await startCluster({ replicas: 0 })
  await cluster.primary.sql('create table visits (name text)')
  await cluster.primary.sql('grant all on visits to app')
  await work(cluster.primary)
}
