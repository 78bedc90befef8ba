import { it } from 'vitest'
import { DRIVERS, type NamedDriver } from './drivers.js'

/**
 * Which half of the scenarios runs over which driver; `pnpm test:faults` prints it. The environment
 * variable POOLHOUSE_FAULTS_SEED.
 */
const SEED = process.env['POOLHOUSE_FAULTS_SEED'] ?? ''
/**
 * POOLHOUSE_FAULTS_DRIVERS=both runs every scenario over every driver, as `pnpm test:soak` does.
 */
const BOTH = process.env['POOLHOUSE_FAULTS_DRIVERS'] === 'both'

/**
 * The drivers that a part of the slow tier runs over: one, which differs from seed to seed, or with
 * POOLHOUSE_FAULTS_DRIVERS=both each.
 */
export function driversFor(title: string): readonly NamedDriver[] {
  return BOTH ? DRIVERS : [DRIVERS[parityOf(`${title}\n${SEED}`)]!]
}

/**
 * A test of the slow tier: an outage of real servers, over one of the drivers. Which one alternates
 * from scenario to scenario and from seed to seed, so that every scenario meets every driver before
 * long. The title ends with the name of the driver.
 */
export function scenario(
  title: string,
  run: (driver: NamedDriver) => Promise<void>,
  timeoutMs?: number,
): void {
  for (const driver of driversFor(title)) {
    it(`${title} over ${driver.driver}`, () => run(driver), timeoutMs)
  }
}

/** 0 or 1, evenly and always the same for the same text. */
function parityOf(text: string): 0 | 1 {
  let hash = 0x811c9dc5
  for (const character of text) hash = Math.imul(hash ^ character.codePointAt(0)!, 0x01000193)
  // The lowest bits of this hash depend on the lowest bits of the text alone.
  return ((hash >>> 16) & 1) as 0 | 1
}
