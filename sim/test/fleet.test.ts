import { describe, expect, test } from 'vitest'
import { boundsOf, isKept } from '../src/fleet/fleet-bounds.js'
import { FLEET, type FleetModel } from '../src/fleet/fleet-model.js'
import { Rate } from '../src/fleet/rate.js'
import { runFleet } from '../src/fleet/run-fleet.js'

// As many processes for each log-in that a server carries out in a second as in the large one.
const SMALL: FleetModel = {
  ...FLEET,
  processes: 100,
  logInsPerSecond: 20,
  connections: 500,
}

describe('a fleet whose primary dies', () => {
  test('asks a new primary for no more log-ins than it can carry out, and writes as soon as these allow', async () => {
    const report = await runFleet(SMALL)
    const broken = boundsOf(report).filter((bound) => !isKept(bound))
    expect(broken).toEqual([])
    expect(report.warm).toBeGreaterThan(0)
    expect(report.coldConnections).toBeGreaterThan(0)
    expect(Object.keys(report.failures)).not.toContain('NoPrimaryError POOLHOUSE_NO_PRIMARY')
  })

  test('is the same whenever it has the same seed', async () => {
    const model = { ...SMALL, processes: 12, calmMs: 4_000 }
    const report = await runFleet(model)
    expect(await runFleet(model)).toEqual(report)
    expect(await runFleet({ ...model, seed: 2 })).not.toEqual(report)
  })
})

test('a second is any second, and not one of the clock', () => {
  const rate = new Rate()
  for (const at of [0, 600, 900, 1_100, 1_599, 1_600, 3_000]) rate.count(at)
  expect(rate.mostInASecond(0, 4_000)).toBe(4)
  expect(rate.mostInASecond(1_000, 4_000)).toBe(3)
  expect(rate.within(600, 1_600)).toBe(4)
})
