import { createManager, type Manager } from '@poolhouse/manager'
import { nodePostgres } from '@poolhouse/node-postgres'

/** The databases of the API, by name. */
export type Databases = {
  /** Writes follow the primary, declared reads go to replicas. */
  readonly app: { readonly nodes: readonly string[]; readonly pool: { readonly max: number } }
}

/** The database on these servers, in any order. */
export function openDatabase(nodes: readonly string[]): Manager<Databases> {
  return createManager({
    drivers: { pg: nodePostgres() },
    databases: { app: { nodes, pool: { max: 10 } } },
  })
}
