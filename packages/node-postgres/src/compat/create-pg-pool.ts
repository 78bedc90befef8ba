import type { Pool } from '@poolhouse/core'
import { checkWord, describeValue, refuseUnknownOptions } from '@poolhouse/core/kit'
import type { Pool as PgPool } from 'pg'
import { boundPoolClass } from './bound-pool.js'
import { libraryOf } from './pg-library.js'

/** Options of `createPgPool`. */
export interface CreatePgPoolOptions {
  /**
   * What `connect()` hands out: `eager` (default) is a connection of the primary from the start;
   * `lazy` is a client that picks its server at the first statement, keeps it while a transaction,
   * a cursor, a COPY, a LISTEN or a session setting is open, and gives it back after that.
   */
  checkout?: 'eager' | 'lazy' | undefined
  /** What a second `release()` of a client does: `throw` (default) as `pg` does, or `warn`. */
  doubleRelease?: 'throw' | 'warn' | undefined
}

const WHERE = 'createPgPool'
const KNOWN_OPTIONS: ReadonlySet<string> = new Set(['checkout', 'doubleRelease'])

/**
 * Makes a `pg.Pool` of a pool: an instance of a subclass of the application's own `pg.Pool`, for
 * every library that takes one. `pool` may be any pool whose connections come from
 * `nodePostgres()`. Throws `TypeError` for what is no pool and for unknown options, and
 * `ConfigError` for a pool over another driver.
 *
 * ```ts
 * const db = drizzle(createPgPool(pool))
 * ```
 */
export function createPgPool(pool: Pool, options: CreatePgPoolOptions = {}): PgPool {
  checkPool(pool)
  refuseUnknownOptions(WHERE, options, KNOWN_OPTIONS)
  const { checkout = 'eager', doubleRelease = 'throw' } = options
  checkWord(WHERE, 'checkout', checkout, ['eager', 'lazy'])
  checkWord(WHERE, 'doubleRelease', doubleRelease, ['throw', 'warn'])
  const BoundPool = boundPoolClass(libraryOf(WHERE, pool))
  return new BoundPool(pool, pool, { checkout, doubleRelease }, {})
}

function checkPool(pool: unknown): void {
  const { query, acquire, close } = (pool ?? {}) as Partial<Pool>
  if (typeof query === 'function' && typeof acquire === 'function' && typeof close === 'function') {
    return
  }
  throw new TypeError(
    `${WHERE}: pool must be a pool of Poolhouse, such as createPool() makes, got ${describeValue(pool)}`,
  )
}
