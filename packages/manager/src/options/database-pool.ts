import type { Pool, QueryOptions, Statement, Topology } from '@poolhouse/core'
import type { FailoverPool } from '@poolhouse/failover'
import type {
  ReaderOptions,
  ReplicaSession,
  ReplicaSessionOptions,
  RouteExplanation,
} from '@poolhouse/read-replicas'

/**
 * What `manager.database(name)` and `manager.tenant(id)` give: a pool that routes. Closing it
 * closes its own pools alone.
 */
export interface DatabasePool extends Pool {
  /**
   * A view on which everything is a read, on a replica that is fresh enough; where there is none,
   * on the primary.
   */
  reader(options?: ReaderOptions): Pool
}

/** A named database. */
export interface NamedDatabase extends DatabasePool {
  /**
   * Who is primary and who is replica; undefined for a single server and for a pool that was made
   * elsewhere.
   */
  readonly topology: Topology | undefined
  /** Where a statement would go now, and why; does not send it. */
  explainRoute(statement: string | Statement, options?: QueryOptions): RouteExplanation
  /**
   * A view for one user, request or job, whose reads see what it has written and never anything
   * older than they have seen. `token` is that of a former session. As `session` of `withReplicas`,
   * for `runWith` and the middleware too.
   */
  session(token?: string, options?: ReplicaSessionOptions): ReplicaSession
  /**
   * Replicas that serve no reads because their data are no part of the primary's history, by name
   * and with the reason. Empty where the servers are followed: their states tell it there.
   */
  readonly strays: ReadonlyMap<string, string>
}

/**
 * A named database whose primary is followed, given by `nodes` or `discover`. What concerns the
 * cluster concerns every database and tenant on the same servers: a switchover holds the work of
 * all of them.
 */
export interface FollowedDatabase
  extends NamedDatabase,
    Pick<FailoverPool, 'switchover' | 'drain' | 'undrain' | 'acceptSystem'> {
  /** Who is primary and who is replica. */
  readonly topology: Topology
}
