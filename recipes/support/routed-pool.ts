import { createPool, type Driver } from '@poolhouse/core'
import { withFailover } from '@poolhouse/failover'
import { type ReplicaPool, withReplicas } from '@poolhouse/read-replicas'

/** A server, as a pool needs it. */
export interface Server {
  /** What results and events call it. */
  readonly name: string
  /** Where it is. */
  readonly url: string
}

/**
 * The application's pool: follows the primary, and runs on a replica what its text shows to be a
 * read.
 */
export function routedPool(servers: readonly Server[], driver: Driver): ReplicaPool {
  const nodes = servers.map(({ name, url }) => createPool({ driver, name, connection: url }))
  const primary = withFailover(nodes)
  return withReplicas(primary, primary.topology, { classify: 'conservative' })
}
