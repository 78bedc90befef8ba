import { it } from 'vitest'
import { DRIVERS, type NamedDriver } from './drivers.js'

/**
 * A test of the slow tier, over each driver: an outage of real servers. The title ends with the
 * name of the driver.
 */
export function scenario(
  title: string,
  run: (driver: NamedDriver) => Promise<void>,
  timeoutMs?: number,
): void {
  for (const driver of DRIVERS) {
    it(`${title} over ${driver.driver}`, () => run(driver), timeoutMs)
  }
}
