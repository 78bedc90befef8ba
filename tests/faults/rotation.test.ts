import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { DRIVER_NAMES } from '../support/driver-names.js'
import { faultRuns, ROOT, readDurations } from './fault-files.js'
import { type FaultRun, type Part, partOf, rotation } from './rotation.js'

const OPTIONS = { limitSeconds: 100, workers: 2 }

/** Files of these durations, over both drivers. */
function files(...seconds: readonly number[]): FaultRun[] {
  return seconds.flatMap((each, index) =>
    DRIVER_NAMES.map((driver) => ({ file: `${index}`, driver, seconds: each })),
  )
}

function pairs(parts: readonly Part[]): string[] {
  return parts.flatMap(({ driver, files }) => files.map((file) => `${file} ${driver}`)).sort()
}

describe('the rotation of the slow tier', () => {
  const runs = faultRuns()
  const real = rotation(runs, { limitSeconds: 225, workers: 2 })

  it('runs every file over every driver exactly once a round', () => {
    expect(runs.length).toBeGreaterThan(80)
    const driverless = new Set(runs.flatMap((run) => (run.driver === undefined ? run.file : [])))
    const found = real.flatMap(({ driver, files }) =>
      files.map((file) => `${file} ${driverless.has(file) ? undefined : driver}`),
    )
    expect(found.sort()).toEqual(runs.map(({ file, driver }) => `${file} ${driver}`).sort())
  })

  it('is a round of at most fifteen commits, each within its four minutes', () => {
    expect(real.length).toBeLessThanOrEqual(15)
    for (const { files, seconds } of real) expect(seconds, files.join()).toBeLessThanOrEqual(225)
  })

  it('knows of no file that is gone how long it took', () => {
    const files = Object.keys(readDurations())
    expect(files.filter((file) => !existsSync(join(ROOT, file)))).toEqual([])
  })

  it.each([0, 1, 2, 3, 7, 20, 88, 200])('leaves out none of %d files and repeats none', (count) => {
    const made = files(...Array.from({ length: count }, (_, index) => (index * 37) % 90))
    const parts = rotation(made, OPTIONS)
    expect(pairs(parts)).toEqual(made.map(({ file, driver }) => `${file} ${driver}`).sort())
    for (const { seconds } of parts) expect(seconds).toBeLessThanOrEqual(OPTIONS.limitSeconds)
  })

  it('runs each part once in as many commits in a row as there are parts, whichever is the first', () => {
    for (const parts of [1, 2, 9, 14]) {
      for (const first of [-5, 0, 1, 411, 10_000_019]) {
        const round = Array.from({ length: parts }, (_, index) => partOf(first + index, parts))
        expect(new Set(round).size).toBe(parts)
        expect(Math.min(...round)).toBe(0)
        expect(Math.max(...round)).toBe(parts - 1)
      }
    }
  })

  it('is balanced: no part of a driver takes much longer than another', () => {
    const parts = rotation(files(90, 80, 60, 50, 50, 40, 30, 30, 20, 20, 10, 10), OPTIONS)
    const seconds = parts.map((part) => part.seconds)
    expect(Math.max(...seconds) - Math.min(...seconds)).toBeLessThanOrEqual(20)
  })

  it('takes turns between the drivers', () => {
    const drivers = rotation(files(90, 90, 90, 90, 90), OPTIONS).map(({ driver }) => driver)
    expect(drivers).toEqual(drivers.map((_, index) => DRIVER_NAMES[index % DRIVER_NAMES.length]))
  })

  it('runs a file that uses no driver once, beside files of the driver with the least to do', () => {
    const parts = rotation([...files(30), { file: 'x', driver: undefined, seconds: 40 }], OPTIONS)
    expect(parts).toEqual([
      { driver: 'nodePostgres', files: ['x', '0'], seconds: 40 },
      { driver: 'postgresJs', files: ['0'], seconds: 30 },
    ])
    expect(rotation([{ file: 'x', driver: undefined, seconds: 40 }], OPTIONS)).toEqual([
      { driver: undefined, files: ['x'], seconds: 40 },
    ])
  })

  it('gives a file that alone takes longer than the limit a part of its own', () => {
    const parts = rotation(files(150, 30), OPTIONS)
    expect(parts.map(({ files }) => files)).toEqual([['0'], ['0'], ['1'], ['1']])
  })
})
