import type { Pool, QueryOptions, Statement } from '@poolhouse/core'
import type { ReaderOptions, ReplicaSessionOptions } from '../options/replicas-options.js'
import type { RouteExplanation } from '../route/explain-route.js'

/**
 * A pool of a primary and its replicas, made by `withReplicas`. Work goes to the primary unless it
 * declares itself a read: on a `reader()`, with `{ intent: 'read' }`, or as
 * `transaction({ readOnly: true })`. `close()` closes the pools that it was given.
 */
export interface ReplicaPool<Raw = unknown> extends Pool<Raw> {
  /**
   * A view on which every call is a read. A write on it rejects with `ReadIntentError`, on
   * whichever server it lands. Closing the view closes only the view. Throws `TypeError` or
   * `RangeError` for wrong options.
   *
   * @example
   * const reader = db.reader({ maxStalenessMs: 1_000 })
   * const { rows } = await reader.query('select count(*) from orders')
   */
  reader(options?: ReaderOptions): Pool<Raw>
  /**
   * A view for one user, request or job. Its reads see everything that it has written, and never go
   * back in time. The same holds for a session that is begun with its token, in another process
   * too. Closing the view closes only the view.
   *
   * `token` comes from `session.token`, `freshToken()` or a cookie; without one the session has
   * seen nothing. A token that is malformed, forged, of another cluster or lost by a failover makes
   * no call fail, unless `onLostToken` says so: reads then go to the primary, and a `token` event
   * reports it. Throws `TypeError` or `RangeError` for wrong arguments.
   *
   * @example
   * const session = db.session(request.cookies.token)
   * await session.query('insert into orders(id) values ($1)', [7])
   * await session.reader().query('select * from orders') // has order 7
   * response.setCookie('token', session.token)
   */
  session(token?: string, options?: ReplicaSessionOptions): ReplicaSession<Raw>
  /**
   * Says where the statement would go now, and why. Does not send it. `options` are those of
   * `query`. Throws `TypeError` or `RangeError` for wrong arguments, and for a wrong hint what
   * `query` would reject with.
   *
   * @example
   * const { node, reason } = db.explainRoute('select 1', { intent: 'read' })
   */
  explainRoute(statement: string | Statement, options?: QueryOptions): RouteExplanation
  /**
   * Replicas whose data are no part of the primary's history, by name and with the reason. They
   * serve no reads, whatever age these accept. Empty over a topology, which reports it as the state
   * of its nodes.
   */
  readonly strays: ReadonlyMap<string, string>
}

/** A view of a `ReplicaPool` that remembers what it has seen: see `ReplicaPool.session`. */
export interface ReplicaSession<Raw = unknown> extends Pool<Raw> {
  /**
   * What the session has seen, as a text for cookies, headers and jobs; empty if it has seen
   * nothing. It covers every write that has settled, and those reads for which the position of the
   * node that served them is known. `freshToken()` covers all reads.
   */
  readonly token: string
  /**
   * Whether any work on the session did not declare itself a read, so that others may need its
   * token.
   */
  readonly hasWritten: boolean
  /**
   * Returns a token that covers everything that the session has seen. Asks the nodes that it has
   * read from since they were last asked; concurrent calls share the questions.
   *
   * @example
   * response.setCookie('token', await session.freshToken())
   */
  freshToken(): Promise<string>
  /**
   * Makes the session see what this token names too: its reads and its `token` never go back behind
   * it. For another token of the same user, such as a cookie besides a header. A bad token has the
   * effect that `session(token)` describes; an empty one has none. Throws `TypeError` if it is no
   * string.
   *
   * @example
   * session.see(token) // of a header, beside the cookie
   */
  see(token: string): void
  /**
   * Resolves with whether a replica that fits has everything that the session has seen, now or
   * within `waitMs` milliseconds. For a queue that would rather put a job back once than read from
   * the primary.
   *
   * @example
   * if (!(await session.caughtUp({ waitMs: 500 }))) log.info('back into the queue')
   */
  caughtUp(options?: { waitMs?: number | undefined }): Promise<boolean>
  /**
   * The session of the `ReplicaPool` itself, where this one is a view of it that another package
   * has made, such as the manager.
   */
  readonly of?: ReplicaSession | undefined
  /**
   * A view on which every call is a read of this session. Throws `TypeError` or `RangeError` for
   * wrong options.
   *
   * @example
   * const { rows } = await session.reader().query('select * from orders')
   */
  reader(options?: ReaderOptions): Pool<Raw>
}
