import type { Pool, QueryOptions, Statement, Topology } from '@poolhouse/core'
import type { FailoverPool } from '@poolhouse/failover'
import type {
  ReaderOptions,
  ReplicaSession,
  ReplicaSessionOptions,
  RouteExplanation,
} from '@poolhouse/read-replicas'

/**
 * What `manager.database(name)` and `manager.tenant(id)` return: a pool that routes. Closing it
 * closes only this view; the manager closes the connections. `Raw` is the type of `lease.raw`.
 */
export interface DatabasePool<Raw = unknown> extends Pool<Raw> {
  /**
   * Returns a view whose calls are all reads: on a replica that is fresh enough, or, if there is
   * none, on the primary.
   *
   * @example
   * const reader = manager.tenant('acme').reader({ maxStalenessMs: 1_000 })
   * const { rows } = await reader.query('select * from orders')
   */
  reader(options?: ReaderOptions): Pool<Raw>
}

/** A named database. */
export interface NamedDatabase<Raw = unknown> extends DatabasePool<Raw> {
  /** Which server is the primary and which are replicas; undefined for a single server. */
  readonly topology: Topology | undefined
  /**
   * Says where a statement would go now, and why. Sends nothing.
   *
   * @example
   * const { node, reason } = manager.database('app').explainRoute('select 1', { intent: 'read' })
   */
  explainRoute(statement: string | Statement, options?: QueryOptions): RouteExplanation
  /**
   * Returns a read-your-writes view for one user, request or job: its reads see its own writes and
   * never go back in time. `token` continues a former session. Works like `session` of
   * `withReplicas`, also with `runWith` and the middleware.
   *
   * @example
   * const session = manager.database('app').session(request.cookies.token)
   * await session.query('insert into orders(id) values (7)')
   * response.setCookie('token', session.token)
   */
  session(token?: string, options?: ReplicaSessionOptions): ReplicaSession<Raw>
  /**
   * Replicas that serve no reads because their data is not part of the primary's history, by name,
   * with the reason. Empty where the primary is followed: there the topology shows it.
   */
  readonly strays: ReadonlyMap<string, string>
}

/**
 * A named database whose primary is followed, configured by `nodes` or `discover`. Its methods
 * affect every database and tenant on the same servers: a switchover holds the calls of all of
 * them.
 */
export interface FollowedDatabase<Raw = unknown>
  extends NamedDatabase<Raw>,
    Pick<FailoverPool, 'switchover' | 'drain' | 'undrain' | 'acceptSystem'> {
  /** Which server is the primary and which are replicas. */
  readonly topology: Topology
}
