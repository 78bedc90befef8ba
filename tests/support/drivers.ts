import type { Driver } from '@poolhouse/core'
import { nodePostgres } from '@poolhouse/node-postgres'
import { postgresJs } from '@poolhouse/postgres-js'
import { type DriverName, driverName, TESTED_DRIVERS } from './driver-names.js'

/** A driver, by the name that titles and scripts of their own process call it. */
export interface NamedDriver {
  /** Name of its factory. */
  readonly driver: DriverName
  /** Makes it with its defaults. */
  make(): Driver
}

/** `pg`, for tests that are too slow to run over each. */
export const PG: NamedDriver = { driver: 'nodePostgres', make: () => nodePostgres() }
/** postgres.js, for tests that are too slow to run over each. */
export const POSTGRES_JS: NamedDriver = { driver: 'postgresJs', make: () => postgresJs() }
const BY_NAME = { nodePostgres: PG, postgresJs: POSTGRES_JS }

/**
 * Every driver that is tested, which is each unless POOLHOUSE_TEST_DRIVER names one: what is
 * promised holds over each. For `describe.each(DRIVERS)('… over $driver', …)`.
 */
export const DRIVERS: readonly NamedDriver[] = TESTED_DRIVERS.map((name) => BY_NAME[name])

/**
 * The driver of this name, as a script gets it on its command line. Throws `TypeError` when there
 * is none.
 */
export function driverNamed(name: string | undefined): Driver {
  return BY_NAME[driverName(name)].make()
}
