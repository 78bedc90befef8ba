import type { Pool, QueryOptions, Statement } from '@poolhouse/core'
import type { RouteExplanation } from './explain-route.js'
import type { ReaderOptions } from './replicas-options.js'

/**
 * A pool of a primary and its replicas, as made by `withReplicas`. Work goes to the primary unless it declares itself a read:
 * on a `reader()`, with `{ intent: 'read' }`, or as `transaction({ readOnly: true })`. `close()` closes what it was given.
 */
export interface ReplicaPool extends Pool {
  /**
   * A view on which everything is a read. A write on it rejects with `ReadIntentError`, wherever it lands. Closing the view
   * closes the view only. Throws `TypeError` or `RangeError` for wrong options.
   */
  reader(options?: ReaderOptions): Pool
  /**
   * Where the statement would go now, and why; sends nothing. `options` as for `query`. Throws `TypeError` or `RangeError` for
   * wrong arguments.
   */
  explainRoute(statement: string | Statement, options?: QueryOptions): RouteExplanation
}
