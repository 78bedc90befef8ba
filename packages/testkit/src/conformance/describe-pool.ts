import { poolCases } from './pool/pool-cases.js'
import { PoolContext, type PoolContextParts } from './pool/pool-context.js'
import type { MakePool, PoolFeature } from './pool/pool-traits.js'
import { register, type SuiteOptions } from './register.js'
import { type ConformanceCase, schedule } from './run/conformance-case.js'
import { limitOf, runCase } from './run/run-case.js'
import { patienceOf } from './server/server-context.js'

/** How to run the suite of pools. */
export interface PoolSuiteOptions extends SuiteOptions {
  /**
   * What the pool does not offer: cases that need it are left out, and others check that it is
   * refused clearly. Default `['replica', 'classify']`: a pool without replicas. For one with
   * replicas pass `cluster`, whose first replica it must read from.
   */
  readonly without?: readonly PoolFeature[] | undefined
}

const WITHOUT: readonly PoolFeature[] = ['replica', 'classify']

/**
 * Registers the suite that every `Pool` must pass, as vitest tests. `makePool` gets the options of
 * a connection pool to the server and makes of them whatever pool is to be tested:
 * `describePool('failover', (parts) => withFailover([createPool({ driver, ...parts })]))`. Throws
 * `TypeError` for an area or a title in `skip` that does not exist, and `RangeError` for an
 * `effort` out of bounds.
 */
export function describePool(
  name: string,
  makePool: MakePool,
  options: PoolSuiteOptions = {},
): void {
  const { without = WITHOUT } = options
  const plan = schedule(poolCases(), { ...options, without })
  register(`pool ${name}`, plan, options, ({ test }, parts) =>
    runPoolCase(test, { ...parts, makePool, without }),
  )
}

/**
 * Runs one case of `poolCases()` without vitest. Rejects with what is wrong; an `AggregateError` if
 * that is several things.
 */
export async function runPoolCase(
  test: ConformanceCase<PoolContext>,
  parts: PoolContextParts,
): Promise<void> {
  const limitMs = limitOf(test, parts.latencyMs)
  await runCase(test, () => PoolContext.start(parts), limitMs, patienceOf(parts))
}
