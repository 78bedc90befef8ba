import { expect, test } from 'vitest'
import { timePassed } from '../../../src/tenants/time-passed.js'

test('F45: counts the time while the machine was suspended, and no correction of the wall clock', () => {
  let [now, wall] = [100, 50_000]
  const passed = timePassed({ now: () => now, wallNow: () => wall })
  now += 10
  wall += 10
  expect(passed()).toBe(110)
  // A correction.
  wall += 1_000
  expect(passed()).toBe(110)
  wall -= 3_600_000
  expect(passed()).toBe(110)
  // A suspended machine.
  wall += 60_000
  expect(passed()).toBe(60_110)
  now += 5
  wall += 5
  expect(passed()).toBe(60_115)
})
