import type { Pool } from '@poolhouse/core'
import { checkWord, describeValue, refuseUnknownOptions } from '@poolhouse/core/kit'
import type { Pool as PgPool } from 'pg'
import { boundPoolClass } from './bound-pool.js'
import { warnOfCopies } from './pg-copies.js'
import { libraryOf } from './pg-library.js'
import { type PgPoolReads, readTarget } from './read-target.js'
import { shownOptions } from './shown-options.js'

/**
 * Options of `createPgPool`.
 *
 * @example
 * createPgPool(db, { checkout: 'lazy', reads: { maxStalenessMs: 1_000 }, doubleRelease: 'warn' })
 */
export interface CreatePgPoolOptions {
  /**
   * What `connect()` hands out: `eager` is a connection of the primary from the start; `lazy` is a
   * client that picks its server at the first statement, keeps it while a transaction, a cursor, a
   * COPY, a LISTEN or a session setting is open, and gives it back after that. Default `eager`.
   */
  checkout?: 'eager' | 'lazy' | undefined
  /**
   * Where reads go, over a pool with replicas. `auto`: where the pool would send them, by its
   * `classify`, by hints and by `runWith`, in one session for the whole facade, so that reads see
   * what was written through it. `primary`: nowhere but to the primary. An object: as `auto`, with
   * these bounds. A tenant has no session, so its reads go to the primary. Default `auto`.
   */
  reads?: 'auto' | 'primary' | PgPoolReads | undefined
  /**
   * What a second `release()` of a client does: `throw` as `pg` does, or `warn`. Default `throw`.
   */
  doubleRelease?: 'throw' | 'warn' | undefined
}

const WHERE = 'createPgPool'
const KNOWN_OPTIONS: ReadonlySet<string> = new Set(['checkout', 'reads', 'doubleRelease'])

/**
 * Makes a `pg.Pool` of a pool: an instance of a subclass of the application's own `pg.Pool`, for
 * every library that takes one. `pool` may be any pool whose connections come from
 * `nodePostgres()`. Throws `TypeError` or `RangeError` for what is no pool and for unknown or wrong
 * options, and `ConfigError` for a pool over another driver.
 *
 * `end()` closes `pool`, once it is the last facade over it; a view, such as a session or a tenant,
 * closes itself alone.
 *
 * @example
 * const db = drizzle(createPgPool(pool))
 */
export function createPgPool(pool: Pool, options: CreatePgPoolOptions = {}): PgPool {
  checkPool(pool)
  refuseUnknownOptions(WHERE, options, KNOWN_OPTIONS)
  const { checkout = 'eager', reads = 'auto', doubleRelease = 'throw' } = options
  checkWord(WHERE, 'checkout', checkout, ['eager', 'lazy'])
  checkWord(WHERE, 'doubleRelease', doubleRelease, ['throw', 'warn'])
  const pg = libraryOf(WHERE, pool)
  warnOfCopies(pg)
  const BoundPool = boundPoolClass(pg)
  const target = readTarget(WHERE, pool, reads)
  const facade = new BoundPool(pool, target, { checkout, doubleRelease }, {})
  Object.defineProperty(facade, 'options', {
    value: shownOptions(pool),
    writable: true,
    enumerable: true,
    configurable: true,
  })
  return facade
}

function checkPool(pool: unknown): void {
  const { query, acquire, close } = (pool ?? {}) as Partial<Pool>
  if (typeof query === 'function' && typeof acquire === 'function' && typeof close === 'function') {
    return
  }
  const hint =
    typeof (pool as { totalCount?: unknown } | null)?.totalCount === 'number'
      ? ', a pg.Pool; make a pool of its options with new Pool() of this package, or with createPool()'
      : typeof pool === 'string'
        ? '; make a pool of it first, createPool({ driver: nodePostgres(), connection })'
        : ''
  throw new TypeError(
    `${WHERE}: pool must be a pool of Poolhouse, such as createPool() makes, got ${describeValue(pool)}${hint}`,
  )
}
