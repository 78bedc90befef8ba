import { createMarkerTable, createPool } from '@poolhouse/core'
import { nodePostgres } from '@poolhouse/node-postgres'
import { type Cluster, startCluster } from '@poolhouse/testkit'

/** A primary and two replicas with the tables of the API, as a migration would leave them. */
export async function startDatabase(): Promise<Cluster> {
  const cluster = await startCluster({ replicas: 2, synchronous: true })
  const { url } = cluster.primary
  await using owner = createPool({ driver: nodePostgres(), connection: url, max: 1 })
  await createMarkerTable(owner)
  await owner.query('create table orders (id text primary key, item text not null)')
  return cluster
}
