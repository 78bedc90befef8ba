import type { Pool, QueryOptions, QueryResult, Statement } from '@poolhouse/core'
import { describeValue, type PoolCall, PoolView, refuseUnknownOptions } from '@poolhouse/core/kit'

/** What the reads of a facade accept: what `session` of a pool with replicas takes. */
export interface PgPoolReads {
  /** Oldest data that reads accept, in milliseconds. Default: the pool's `maxStalenessMs`. */
  maxStalenessMs?: number | undefined
  /**
   * Most write-ahead log that a replica may have left to replay, in bytes. Default: the pool's
   * `maxStalenessBytes`.
   */
  maxStalenessBytes?: number | undefined
  /**
   * What to do when no replica is fresh enough: `primary`, `error`, or an object as
   * `withReplicas` takes it. Default: the pool's `whenStale`.
   */
  whenStale?: unknown
  /**
   * How long a read waits for a replica to have what the facade has written, in milliseconds.
   * Default: the pool's `waitForTokenMs`.
   */
  waitForTokenMs?: number | undefined
}

const KNOWN: ReadonlySet<string> = new Set([
  'maxStalenessMs',
  'maxStalenessBytes',
  'whenStale',
  'waitForTokenMs',
])

/** A pool that routes reads. Node-postgres and replicas meet only in this shape. */
interface RoutingPool extends Pool {
  reader?(options?: object): Pool
  session?(token: undefined, options: object): Pool
}

const WRITE: QueryOptions = Object.freeze({ intent: 'write' })

/**
 * Where the statements of a facade go, by its option `reads`: `auto` is one session of a pool that
 * has replicas, so that reads see what the facade has written; `primary` is the primary alone. A
 * pool without replicas is used as it is. Throws `TypeError` or `RangeError` for a wrong option.
 */
export function readTarget(where: string, pool: Pool, reads: unknown): Pool {
  if (typeof reads === 'object' && reads !== null) {
    refuseUnknownOptions(`${where}: reads`, reads, KNOWN)
  } else if (reads !== 'auto' && reads !== 'primary') {
    throw new TypeError(
      `${where}: reads must be "auto", "primary" or an object such as { maxStalenessMs: 1_000 }, got ${describeValue(reads)}`,
    )
  }
  const { reader, session } = pool as RoutingPool
  if (typeof reader !== 'function') return pool
  // Without a session a read could miss what was written just before: a tenant has none.
  if (reads === 'primary' || typeof session !== 'function') return new PrimaryView(pool)
  const options = typeof reads === 'object' ? reads : {}
  return session.call(pool, undefined, { ...options, ambient: true })
}

/** A view of a routing pool whose calls are all on the primary. */
class PrimaryView extends PoolView {
  constructor(whole: Pool) {
    super(whole.name, whole)
  }

  /** Not through `send`, which makes an object for each call. */
  override query<Row = Record<string, unknown>>(
    first: string | Statement,
    second?: readonly unknown[] | QueryOptions,
    third?: QueryOptions,
  ): Promise<QueryResult<Row>> {
    if (typeof first === 'string') return super.query<Row>(first, second as unknown[], third)
    const options = second === undefined ? WRITE : { ...(second as QueryOptions), ...WRITE }
    return this.whole.query<Row>(first, options)
  }

  protected send<R>(call: PoolCall<R>): Promise<R> {
    return call.run(this.whole, { intent: 'write' })
  }
}
