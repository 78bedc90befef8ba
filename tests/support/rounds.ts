import { DRIVERS, type NamedDriver } from './drivers.js'

/**
 * How often the soak tests do everything: the environment variable POOLHOUSE_SOAK_ROUNDS. Default
 * 3.
 */
const ROUNDS = Number(process.env['POOLHOUSE_SOAK_ROUNDS'] ?? 3)

/**
 * Every driver in every round, for
 * `describe.each(ROUNDS_AND_DRIVERS)('… over $driver, round $round', …)`.
 */
export const ROUNDS_AND_DRIVERS: readonly (NamedDriver & { readonly round: number })[] = Array.from(
  { length: ROUNDS },
  (_, index) => DRIVERS.map((driver) => ({ ...driver, round: index + 1 })),
).flat()
