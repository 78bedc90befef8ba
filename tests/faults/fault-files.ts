import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join, relative, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { DRIVER_NAMES, type DriverName } from '../support/driver-names.js'
import type { FaultRun } from './rotation.js'

/** The root of the repository. */
export const ROOT: string = fileURLToPath(new URL('../..', import.meta.url))
const TESTS = join(ROOT, 'tests')
const DRIVER_MODULE = join(TESTS, 'support/drivers.ts')
const DURATIONS = fileURLToPath(new URL('durations.json', import.meta.url))

/** What a file is taken to need before it has been measured over any driver, in seconds. */
const UNKNOWN_SECONDS = 45
/** Key of a file that uses no driver. */
const NO_DRIVER = 'none'

/** Seconds by file and driver, as they were measured last. */
export type Durations = Readonly<Record<string, Readonly<Record<string, number>>>>

/**
 * Every test file of the slow tier with every driver, or once if it uses none. A file uses the
 * drivers if it imports `tests/support/drivers.ts`, itself or through other files of `tests/`.
 */
export function faultRuns(): readonly FaultRun[] {
  const durations = readDurations()
  return faultFiles(TESTS).flatMap((path) => {
    const file = relative(ROOT, path).split(sep).join('/')
    const drivers = usesDrivers(path) ? DRIVER_NAMES : [undefined]
    return drivers.map((driver) => ({
      file,
      driver,
      seconds: secondsOf(durations[file], driver),
    }))
  })
}

/** A driver that has not been measured is taken to need as long as the other. */
function secondsOf(known: Durations[string] | undefined, driver: DriverName | undefined): number {
  const others = Object.values(known ?? {})
  return known?.[driver ?? NO_DRIVER] ?? (others.length > 0 ? Math.max(...others) : UNKNOWN_SECONDS)
}

/** The durations that are checked in. */
export function readDurations(): Durations {
  return JSON.parse(readFileSync(DURATIONS, 'utf8')) as Durations
}

/** Checks in new durations of these runs, and drops those of files that are gone. */
export function recordDurations(measured: readonly FaultRun[]): void {
  const durations = readDurations()
  const key = ({ file, driver }: FaultRun): string => `${file} ${driver ?? NO_DRIVER}`
  const news = new Map(measured.map((run) => [key(run), run.seconds]))
  const result: Record<string, Record<string, number>> = {}
  for (const run of faultRuns()) {
    const driver = run.driver ?? NO_DRIVER
    const seconds = news.get(key(run)) ?? durations[run.file]?.[driver]
    if (seconds === undefined) continue
    result[run.file] ??= {}
    result[run.file]![driver] = seconds
  }
  writeFileSync(DURATIONS, `${JSON.stringify(result, null, 2)}\n`)
}

function faultFiles(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true })
    .filter(({ name }) => name !== 'node_modules')
    .flatMap((entry) => {
      const path = join(folder, entry.name)
      if (entry.isDirectory()) return faultFiles(path)
      return path.endsWith('.faults.test.ts') ? [path] : []
    })
    .sort()
}

function usesDrivers(path: string, seen: Set<string> = new Set()): boolean {
  if (path === DRIVER_MODULE) return true
  if (seen.has(path)) return false
  seen.add(path)
  const imports = readFileSync(path, 'utf8').matchAll(/\bfrom '(\.[^']+)\.js'/g)
  return [...imports].some(([, name]) => usesDrivers(join(dirname(path), `${name}.ts`), seen))
}
