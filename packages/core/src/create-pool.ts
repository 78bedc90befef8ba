import type { Driver, RawOf } from './api/driver.js'
import type { ConnectionPool } from './api/pool.js'
import { readPoolOptions } from './api/pool-config.js'
import type { PoolOptions } from './api/pool-options.js'
import { ServerPool } from './server-pool.js'

/**
 * Makes a pool of connections to one server. Opens nothing until it is used, unless `min` asks for
 * it.
 *
 * Throws `TypeError` or `RangeError`, naming the option and the value, for options that are
 * unknown, of the wrong type or out of range.
 *
 * @example
 * const pool = createPool({ driver: nodePostgres(), connection: 'postgres://app@db.example/shop' })
 * const { rows } = await pool.query('select name from users where id = $1', [42])
 * await pool.close()
 */
export function createPool<Used extends Driver>(
  options: PoolOptions & { readonly driver: Used },
): ConnectionPool<RawOf<Used>> {
  // The leases of a pool have what its driver lends.
  return new ServerPool(readPoolOptions(options)) as ConnectionPool as ConnectionPool<RawOf<Used>>
}
