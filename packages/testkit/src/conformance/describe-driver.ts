import type { Driver } from '@poolhouse/core'
import { driverCases } from './driver/driver-cases.js'
import { type DriverCase, DriverContext, type DriverContextParts } from './driver/driver-context.js'
import { register, type SuiteOptions } from './register.js'
import { schedule } from './run/conformance-case.js'
import { limitOf, runCase } from './run/run-case.js'
import { patienceOf } from './server/server-context.js'

/** How to run the suite for drivers. */
export interface DescribeDriverOptions extends SuiteOptions {
  /** Name for the report. Default: the driver's. */
  readonly name?: string | undefined
}

/**
 * Registers the suite that every driver must pass, as vitest tests: `describeDriver(myDriver())`.
 * Throws `TypeError` for an area or a title in `skip` that does not exist, and `RangeError` for an
 * `effort` out of bounds.
 */
export function describeDriver(driver: Driver, options: DescribeDriverOptions = {}): void {
  register(
    `driver ${options.name ?? driver.name}`,
    schedule(driverCases(), options),
    options,
    ({ test }, parts) => runDriverCase(test, { ...parts, driver }),
  )
}

/**
 * Runs one case of `driverCases()` without vitest. Rejects with what is wrong; an `AggregateError`
 * if that is several things.
 */
export async function runDriverCase(test: DriverCase, parts: DriverContextParts): Promise<void> {
  const limitMs = limitOf(test, parts.latencyMs)
  await runCase(test, () => DriverContext.start(parts), limitMs, patienceOf(parts))
}
