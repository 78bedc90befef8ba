import fc from 'fast-check'
import { expect, test } from 'vitest'
import { verdict } from './schedule.js'

/*
 * Random schedules against one pool on virtual time, with a server that refuses, hangs and closes
 * connections. After each step the pool's counters must add up and no caller may be forgotten; at
 * the end the pool is closed in the middle of its work and nothing may be left.
 *
 * A schedule that fails is shortened as far as it still fails, and prints its seed and its story.
 * Environment variables:
 *
 *   POOLHOUSE_SIM_SEED=1234     runs this schedule alone; 1234:17 its first 17 steps
 *   POOLHOUSE_SIM_RUNS=100000   runs so many schedules instead of 900
 *   POOLHOUSE_SIM_FIRST=500000  draws other schedules: the default is 1
 */
const ONLY = process.env['POOLHOUSE_SIM_SEED']
const RUNS = Number(process.env['POOLHOUSE_SIM_RUNS'] ?? 900)
const FIRST = Number(process.env['POOLHOUSE_SIM_FIRST'] ?? 1)
const MOST_STEPS = 200

test('keeps every promise and every invariant in random schedules', async () => {
  if (ONLY !== undefined) {
    const [seed, steps] = ONLY.split(':').map(Number)
    expect((await verdict(seed!, steps))?.story ?? '').toBe('')
    return
  }
  const seeds = fc.noShrink(fc.integer({ min: 1, max: 0x7fffffff }))
  // The shortest schedule that still fails is the easiest to read.
  const steps = fc.noBias(fc.integer({ min: 1, max: MOST_STEPS }))
  await fc.assert(
    fc.asyncProperty(seeds, steps, async (seed, mostSteps) => {
      const failure = await verdict(seed, mostSteps)
      if (failure !== undefined) throw new Error(failure.story)
    }),
    { numRuns: RUNS, seed: FIRST, endOnFailure: false, includeErrorInReport: true },
  )
}, 180_000)
