import type { Pool, QueryOptions, Statement } from '@poolhouse/core'
import type { ReaderOptions, ReplicaSessionOptions } from '../options/replicas-options.js'
import type { RouteExplanation } from '../route/explain-route.js'

/**
 * A pool of a primary and its replicas, as made by `withReplicas`. Work goes to the primary unless
 * it declares itself a read: on a `reader()`, with `{ intent: 'read' }`, or as
 * `transaction({ readOnly: true })`. `close()` closes what it was given.
 */
export interface ReplicaPool extends Pool {
  /**
   * A view on which everything is a read. A write on it rejects with `ReadIntentError`, wherever it
   * lands. Closing the view closes the view only. Throws `TypeError` or `RangeError` for wrong
   * options.
   */
  reader(options?: ReaderOptions): Pool
  /**
   * A view for one user, request or job. Its reads see everything it has written and never anything
   * older than they have seen, and those of a session that is begun with its token, in another
   * process too. Closing the view closes the view only.
   *
   * `token` comes from `session.token`, `freshToken()` or a cookie; without one the session has
   * seen nothing. A token that is malformed, forged, of another cluster or lost by a failover never
   * makes a call fail, unless `onLostToken` says so: reads then go to the primary and the event
   * `token` tells. Throws `TypeError` or `RangeError` for wrong arguments.
   */
  session(token?: string, options?: ReplicaSessionOptions): ReplicaSession
  /**
   * Where the statement would go now, and why; does not send it. `options` as for `query`. Throws
   * `TypeError` or `RangeError` for wrong arguments, and what `query` would reject with for a wrong
   * hint.
   */
  explainRoute(statement: string | Statement, options?: QueryOptions): RouteExplanation
  /**
   * Replicas that serve no reads whatever age these accept, because their data are no part of the
   * primary's history, by name and with the reason. Empty over a topology, which tells it of its
   * nodes by their states.
   */
  readonly strays: ReadonlyMap<string, string>
}

/** A view on a `ReplicaPool` with a memory of what it has seen: see `ReplicaPool.session`. */
export interface ReplicaSession extends Pool {
  /**
   * What the session has seen, as a text for cookies, headers and jobs; empty if that is nothing.
   * It covers every write that has settled, and reads as far as the position of the node that
   * served them is known; `freshToken()` covers those too.
   */
  readonly token: string
  /** Whether anything on it did not declare itself a read, so that others may need its token. */
  readonly hasWritten: boolean
  /**
   * A token that covers everything the session has seen. Asks the nodes it has read from since they
   * were last asked, once for all who ask.
   */
  freshToken(): Promise<string>
  /**
   * What this token names counts as seen too: reads and `token` of the session never go back behind
   * it. For another token of the same user, such as a cookie beside a header. One that is no good
   * has the effect that `session(token)` describes; an empty one has none. Throws `TypeError` for
   * what is no string.
   */
  see(token: string): void
  /**
   * Whether a replica that fits has everything the session has seen, by now or within `waitMs`. For
   * a queue that would rather put a job back once than read from the primary.
   */
  caughtUp(options?: { waitMs?: number | undefined }): Promise<boolean>
  /**
   * The session of the `ReplicaPool` itself, where this one is a view of it that somebody else has
   * made, such as a manager.
   */
  readonly of?: ReplicaSession | undefined
  /**
   * A view on which everything is a read of this session. Throws `TypeError` or `RangeError` for
   * wrong options.
   */
  reader(options?: ReaderOptions): Pool
}
