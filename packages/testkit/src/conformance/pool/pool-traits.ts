import type { Pool, PoolOptions } from '@poolhouse/core'

/**
 * What a pool may be declared not to offer. Where it offers less than another pool, the suite
 * checks that it refuses the rest clearly:
 *
 * - `write`: it runs reads only
 * - `lease`: connections of one's own, `acquire` and `use`
 * - `stream`: `stream`, `copyTo` and `copyFrom`
 * - `listen`: subscriptions
 * - `lone`: a single statement is sent as it is, and not in a transaction of the pool's own
 * - `close`: it is a view, and closing it closes nothing else
 * - `primary`: the line leads to the primary, so that whatever is broken there is felt; otherwise
 *   it leads to the replica
 * - `replica`: a declared read may be served by the replica of the cluster
 * - `classify`: what a text says can be asked for
 */
export type PoolFeature =
  | 'write'
  | 'lease'
  | 'stream'
  | 'listen'
  | 'lone'
  | 'close'
  | 'primary'
  | 'replica'
  | 'classify'

/**
 * Options of the connection pool at the end of the line, under the pool to make; the driver is the
 * maker's.
 */
export type PoolParts = Omit<PoolOptions, 'driver'>

/**
 * How the reads of a pool with replicas are to be routed: options of the same names, where it has
 * them.
 */
export interface PoolReads {
  /**
   * Whether undeclared statements are classified by their text. Default: they are not.
   */
  readonly classify?: 'optimistic'
}

/** A pool that is part of something else: a view, a database of many. */
export interface PartOfMany {
  /** The pool under test. */
  readonly pool: Pool
  /**
   * What is called until it serves, before the pool is. Default: the pool, which then has seen
   * something already.
   */
  readonly before?: Pool
  /** What it is part of, closed when the case is over. Default: the pool itself. */
  readonly whole: Pick<Pool, 'close'>
}

/**
 * Makes a pool that leads to the server of `parts.connection`, and without `reads.maxStalenessMs`
 * of its own accepts any staleness: a read says what it accepts. Each case makes its own and closes
 * it.
 */
export type MakePool = (
  parts: PoolParts,
  reads: PoolReads,
) => Pool | PartOfMany | Promise<Pool | PartOfMany>
