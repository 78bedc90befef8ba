import { type Cluster, startCluster } from '@poolhouse/testkit'

/**
 * A primary and two replicas, one of which has every commit before it is acknowledged. Afterwards
 * they and their data are gone.
 */
export async function withCluster(work: (cluster: Cluster) => Promise<void>): Promise<void> {
  await using cluster = await startCluster({ replicas: 2, synchronous: true })
  await work(cluster)
}
