/**
 * Runs the slow tier of tests, in which servers are killed, frozen, cut off and promoted.
 *
 *     pnpm test:faults                      every file, over both drivers
 *     pnpm test:faults --part               the part whose turn it is at this commit, as CI does
 *     pnpm test:faults --part=3             the part with this number
 *     pnpm test:faults --parts              lists the parts
 *     pnpm test:faults --measure [file…]    runs all files, or these, and records their durations
 *
 * A round runs every file over every driver once. It is divided into parts of at most four minutes
 * on two cores, balanced by the seconds in tests/faults/durations.json. The number of the commit
 * chooses the part; `.ci/run` runs one with every third commit. Other arguments go to vitest.
 */
import { spawnSync } from 'node:child_process'
import { faultRuns } from '../tests/faults/fault-files.js'
import { type Part, partOf, rotation } from '../tests/faults/rotation.js'
import { commitNumber, EVERY, turnsSoFar } from '../tests/support/commit-number.js'

/** Four minutes, less what vitest and the first server need to start. */
const LIMIT_SECONDS = 225
/** `maxWorkers` of the project `faults` in vitest.config.ts. */
const WORKERS = 2

const given = process.argv.slice(2)
const command = given.find((arg) => /^--(parts|part(=\d+)?|measure)$/.test(arg))
const others = given.filter((arg) => arg !== command)
const runs = faultRuns()
const parts = rotation(runs, { limitSeconds: LIMIT_SECONDS, workers: WORKERS })

if (command === undefined) vitest(undefined, others)
else if (command === '--parts') parts.forEach(print)
else if (command === '--measure') measure(others)
else runPart(command === '--part' ? numberOfThisCommit() : Number(command.split('=')[1]))

function runPart(number: number): void {
  const part = parts[number]
  if (part === undefined) throw new RangeError(`there is no part ${number} of ${parts.length}`)
  print(part, number)
  vitest(part.driver, [...part.files, ...others])
}

function numberOfThisCommit(): number {
  const { number, unknown } = commitNumber()
  if (unknown === undefined)
    console.log(`faults: commit ${number}, a round is ${parts.length * EVERY.slowTier} commits`)
  else console.log(`faults: ${unknown}, so its commit has no number: part 0 runs`)
  return partOf(turnsSoFar('slowTier'), parts.length)
}

function measure(wanted: readonly string[]): void {
  for (const driver of new Set(runs.map((run) => run.driver))) {
    const files = runs.filter((run) => run.driver === driver).map(({ file }) => file)
    const chosen = wanted.length > 0 ? files.filter((file) => wanted.includes(file)) : files
    if (chosen.length === 0) continue
    const reporters = ['--reporter=default', '--reporter=./tests/faults/duration-reporter.ts']
    vitest(driver, [...chosen, ...reporters])
  }
}

function print({ driver, files, seconds }: Part, number: number): void {
  const over = driver === undefined ? '' : ` over ${driver}`
  const names = files.map((file) => `\n  ${file}`).join('')
  console.log(
    `faults: part ${number} of 0 to ${parts.length - 1}, about ${Math.round(seconds)} s${over}${names}`,
  )
}

function vitest(driver: string | undefined, args: readonly string[]): void {
  const { status } = spawnSync('npx', ['vitest', 'run', '--project', 'faults', ...args], {
    stdio: 'inherit',
    env: driver === undefined ? process.env : { ...process.env, POOLHOUSE_TEST_DRIVER: driver },
  })
  if (status !== 0) process.exitCode = status ?? 1
}
