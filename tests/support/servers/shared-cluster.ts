import { type Cluster, type ClusterOptions, startCluster } from '@poolhouse/testkit'
import { afterAll } from 'vitest'

/**
 * One cluster for all suites of a file: started when the first asks for it, stopped after the last
 * test of the file. Options that take time to find come from a function.
 */
export function sharedCluster(
  options: ClusterOptions | (() => Promise<ClusterOptions>),
): () => Promise<Cluster> {
  let cluster: Promise<Cluster> | undefined
  afterAll(async () => {
    // A start that failed has been reported by every suite.
    await cluster?.then(
      (started) => started.stop(),
      () => undefined,
    )
  }, 60_000)
  return () => {
    cluster ??= typeof options === 'function' ? options().then(startCluster) : startCluster(options)
    return cluster
  }
}
