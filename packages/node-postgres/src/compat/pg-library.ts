import { ConfigError, type Pool } from '@poolhouse/core'
import { driverOf } from '@poolhouse/core/kit'
import type * as Pg from 'pg'
import bundledPg from 'pg'
import { moduleOf } from '../pg-module.js'

/** The application's copy of `pg`: its classes are those that the facade extends. */
export type PgLibrary = typeof Pg & {
  /** Internals that `@types/pg` leaves out. */
  readonly utils?: { prepareValue(value: unknown): string | Buffer | null }
}

/**
 * Returns the copy of `pg` whose connections a pool hands out. Throws `ConfigError` for a pool over
 * another driver, and for one that is made of pools over different drivers. Where a pool does not
 * know its driver yet, such as a tenant's before its first call, it is the copy that this package
 * finds.
 */
export function libraryOf(where: string, pool: Pool): PgLibrary {
  const driver = driverOf(pool)
  if (driver === undefined) return bundledPg as PgLibrary
  const pg = moduleOf(driver)
  if (pg === undefined) {
    throw new ConfigError(
      `${where}: pool "${pool.name}" is over the driver "${driver.name}"; only connections of nodePostgres() can be a pg.Pool: make the pool with createPool({ driver: nodePostgres(), … })`,
    )
  }
  return pg as unknown as PgLibrary
}
