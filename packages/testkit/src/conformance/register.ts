import { afterAll, beforeAll, describe, it } from 'vitest'
import type { Cluster } from '../cluster/cluster.js'
import type { ScheduledCase, Selection } from './run/conformance-case.js'
import { limitOf, runScheduled } from './run/run-case.js'
import type { ServerContextParts } from './server/server-context.js'
import { type ServerUnderTest, startServerUnderTest } from './server/server-under-test.js'

/** How to run a suite. */
export interface SuiteOptions extends Selection {
  /**
   * The cluster to run on, which must have been started with `auth: 'scram-sha-256'` and is left
   * running. Called before the first case. Default: one of its own, without replicas.
   */
  readonly cluster?: (() => Cluster | Promise<Cluster>) | undefined
  /**
   * Time that every byte spends on the line to the server, each way, in milliseconds. Default 0.
   */
  readonly latencyMs?: number | undefined
  /**
   * How much is done of what cases do again and again, because chance decides what it meets: more
   * than 0, and 1 for all of it. Default 1. For a second run of the same driver.
   */
  readonly effort?: number | undefined
}

/** Registers planned cases with vitest, on one server for all of them. */
export function register<Context>(
  name: string,
  plan: readonly ScheduledCase<Context>[],
  { cluster, latencyMs = 0, effort = 1 }: Pick<SuiteOptions, 'cluster' | 'latencyMs' | 'effort'>,
  run: (scheduled: ScheduledCase<Context>, parts: ServerContextParts) => Promise<void>,
): void {
  // Of nothing done, nothing would be known.
  if (!(effort > 0 && effort <= 1)) {
    throw new RangeError(`effort must be more than 0 and at most 1, got ${effort}`)
  }
  describe(name, () => {
    let server: ServerUnderTest
    beforeAll(async () => {
      server = await startServerUnderTest(cluster)
    }, 60_000)
    afterAll(async () => {
      await server?.[Symbol.asyncDispose]()
    }, 60_000)
    for (const area of new Set(plan.map((scheduled) => scheduled.area))) {
      describe(area, () => {
        for (const scheduled of plan.filter((each) => each.area === area)) {
          const { differs, title, test, seed } = scheduled
          it(
            differs === undefined ? title : `${title} (differs: ${differs})`,
            () =>
              runScheduled(scheduled, () => run(scheduled, { server, seed, latencyMs, effort })),
            // The runner's own limits come first and say more.
            3 * limitOf(test, latencyMs),
          )
        }
      })
    }
  })
}
