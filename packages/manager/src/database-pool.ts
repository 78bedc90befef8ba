import type { Pool, QueryOptions, Statement, Topology } from '@poolhouse/core'
import type { ReaderOptions, RouteExplanation } from '@poolhouse/read-replicas'

/** What `manager.database(name)` and `manager.tenant(id)` give: a pool that routes. Closing it closes its own pools alone. */
export interface DatabasePool extends Pool {
  /** A view on which everything is a read, on a replica that is fresh enough; where there is none, on the primary. */
  reader(options?: ReaderOptions): Pool
}

/** A named database. */
export interface NamedDatabase extends DatabasePool {
  /** Who is primary and who is replica; undefined for a single server and for a pool that was made elsewhere. */
  readonly topology: Topology | undefined
  /** Where a statement would go now, and why; sends nothing. */
  explainRoute(statement: string | Statement, options?: QueryOptions): RouteExplanation
}
