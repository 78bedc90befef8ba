import type { Driver } from '@poolhouse/core'
import { nodePostgres } from '@poolhouse/node-postgres'
import { postgresJs } from '@poolhouse/postgres-js'

/** A driver, by the name that titles and scripts of their own process call it. */
export interface NamedDriver {
  /** Name of its factory. */
  readonly driver: string
  /** Makes it with its defaults. */
  make(): Driver
}

/** `pg`, for scenarios that are too slow to run over each. */
export const PG: NamedDriver = { driver: 'nodePostgres', make: () => nodePostgres() }
/** postgres.js, for scenarios that are too slow to run over each. */
export const POSTGRES_JS: NamedDriver = { driver: 'postgresJs', make: () => postgresJs() }
/**
 * Every driver there is: what is promised holds over each. For
 * `describe.each(DRIVERS)('… over $driver', …)`.
 */
export const DRIVERS: readonly NamedDriver[] = [PG, POSTGRES_JS]

/**
 * The driver of this name, as a script gets it on its command line. Throws `TypeError` when there
 * is none.
 */
export function driverNamed(name: string | undefined): Driver {
  const found = DRIVERS.find(({ driver }) => driver === name)
  if (found === undefined) throw new TypeError(`there is no driver ${name}`)
  return found.make()
}
