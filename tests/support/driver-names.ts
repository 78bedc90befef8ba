/** The drivers, by the names of their factories. */
export const DRIVER_NAMES = ['nodePostgres', 'postgresJs'] as const

/** Name of a driver's factory. */
export type DriverName = (typeof DRIVER_NAMES)[number]

/**
 * The drivers that this run tests: each, or the one that the environment variable
 * POOLHOUSE_TEST_DRIVER names.
 */
export const TESTED_DRIVERS: readonly DriverName[] =
  process.env['POOLHOUSE_TEST_DRIVER'] === undefined
    ? DRIVER_NAMES
    : [driverName(process.env['POOLHOUSE_TEST_DRIVER'])]

/** Takes the name of a driver. Throws `TypeError` for any other text. */
export function driverName(text: string | undefined): DriverName {
  const found = DRIVER_NAMES.find((name) => name === text)
  if (found === undefined) throw new TypeError(`there is no driver ${text}`)
  return found
}
