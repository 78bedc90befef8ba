import { createPool, type Topology } from '@poolhouse/core'
import { withFailover } from '@poolhouse/failover'
import { nodePostgres } from '@poolhouse/node-postgres'
import { type ReplicaPool, withReplicas } from '@poolhouse/read-replicas'

/** What the API knows of its database. */
export interface Database {
  /** Writes follow the primary, declared reads go to replicas. */
  readonly pool: ReplicaPool
  /** Who is primary and who is replica. */
  readonly topology: Topology
}

/** The database on these servers, in any order; resolves when it answers. */
export async function openDatabase(urls: readonly string[]): Promise<Database> {
  const driver = nodePostgres()
  const nodes = urls.map((connection) =>
    createPool({ driver, connection, name: new URL(connection).host, max: 10 }),
  )
  const primary = withFailover(nodes)
  const pool = withReplicas(primary, primary.topology)
  await pool.query('select 1') // fails now, rather than at the first request
  return { pool, topology: primary.topology }
}
