import { createPool } from '@poolhouse/core'
import { type FailoverPool, withFailover } from '@poolhouse/failover'
import { createManager, type Manager } from '@poolhouse/manager'
import { nodePostgres } from '@poolhouse/node-postgres'
import { type ReplicaPool, withReplicas } from '@poolhouse/read-replicas'

/** The pools by name; the manager knows how they are, and closes them in order. */
export type Pools = {
  /** Writes follow the primary, declared reads go to replicas. */
  readonly app: ReplicaPool
  /** What is under it, whose topology tells whether there is a primary. */
  readonly primary: FailoverPool
}

/** The database on these servers, in any order. */
export function openDatabase(urls: readonly string[]): Manager<Pools> {
  const driver = nodePostgres()
  const nodes = urls.map((connection) =>
    createPool({ driver, connection, name: new URL(connection).host, max: 10 }),
  )
  const primary = withFailover(nodes)
  return createManager({ databases: { app: withReplicas(primary, primary.topology), primary } })
}
