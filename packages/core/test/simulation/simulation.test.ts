import { expect, test } from 'vitest'
import { verdict } from './schedule.js'

/*
 * Random schedules against one pool on virtual time, with a server that refuses, hangs, lies in wait and hangs up. After each
 * step the pool's books must add up and nobody may be forgotten; at the end the pool is closed in the middle of everything and
 * nothing may be left.
 *
 * A schedule that fails prints its seed and its story. Environment variables:
 *
 *   POOLHOUSE_SIM_SEED=1234     runs this schedule alone
 *   POOLHOUSE_SIM_RUNS=100000   runs so many schedules instead of 3 000
 *   POOLHOUSE_SIM_FIRST=500000  begins with this seed instead of 1
 */
const ONLY = process.env['POOLHOUSE_SIM_SEED']
const RUNS = Number(process.env['POOLHOUSE_SIM_RUNS'] ?? 3_000)
const FIRST = Number(process.env['POOLHOUSE_SIM_FIRST'] ?? 1)

test('keeps every promise and every invariant in random schedules', async () => {
  const last = ONLY === undefined ? FIRST + RUNS - 1 : Number(ONLY)
  const failures: string[] = []
  for (let seed = ONLY === undefined ? FIRST : Number(ONLY); seed <= last; seed++) {
    const failure = await verdict(seed)
    if (failure !== undefined) failures.push(failure.story)
    if (failures.length === 3) break
  }
  expect(failures.join('\n\n')).toBe('')
}, 120_000)
