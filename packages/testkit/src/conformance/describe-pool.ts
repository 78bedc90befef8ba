import { schedule } from './conformance-case.js'
import { poolCases } from './pool-cases.js'
import { type MakePool, type PoolCase, PoolContext, type PoolContextParts } from './pool-context.js'
import { register, type SuiteOptions } from './register.js'
import { limitOf, runCase } from './run-case.js'
import { patienceOf } from './server-context.js'

/**
 * Registers the suite that every `Pool` must pass, as vitest tests. `makePool` gets the options of a connection pool to the server and
 * makes of them whatever pool is to be tested:
 * `describePool('failover', (parts) => withFailover([createPool({ driver, ...parts })]))`. Throws `TypeError` for an area or a title in
 * `skip` that does not exist, and `RangeError` for an `effort` out of bounds.
 */
export function describePool(name: string, makePool: MakePool, options: SuiteOptions = {}): void {
  register(`pool ${name}`, schedule(poolCases(), options), options, ({ test }, parts) =>
    runPoolCase(test, { ...parts, makePool }),
  )
}

/** Runs one case of `poolCases()` without vitest. Rejects with what is wrong; an `AggregateError` if that is several things. */
export async function runPoolCase(test: PoolCase, parts: PoolContextParts): Promise<void> {
  const limitMs = limitOf(test, parts.latencyMs)
  await runCase(test, () => PoolContext.start(parts), limitMs, patienceOf(parts))
}
