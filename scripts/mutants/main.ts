/**
 * Changes the code that keeps the guarantees in small ways, and counts how many of the changes the
 * unit tests and simulations notice (mutation testing, with StrykerJS).
 *
 *     pnpm mutants                       1,000 mutants, drawn by a seed that is printed
 *     pnpm mutants --seed 7 --count 500  draws as that seed does
 *     pnpm mutants --only core/src/sql   every mutant of the guarded files whose path has this text
 *
 * What has been found out is kept in `.cache/mutants/`, folder by folder: a run that was cut off
 * goes on there. `--fresh` begins anew. Exit code: 0 when at least 85 % were noticed.
 */
import { existsSync, mkdirSync, rmSync } from 'node:fs'
import { parseArgs } from 'node:util'
import type { MutantResult } from '@stryker-mutator/api/core'
import { Stryker } from '@stryker-mutator/core'
import { SeededRandom } from '../../packages/core/src/testing/seeded-random.js'
import { discover, EXCLUDED_MUTATIONS, type Piece } from './discover.js'
import { GUARDED, type Guarded } from './guarded.js'
import { printResults } from './report.js'

const CACHE = '.cache/mutants'
const LEAST_SCORE = 85

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    count: { type: 'string', default: '1000' },
    only: { type: 'string' },
    fresh: { type: 'boolean', default: false },
    concurrency: { type: 'string', default: '2' },
  },
})
const seed = readCount('seed', values.seed)
const count = readCount('count', values.count)

if (values.fresh) rmSync(CACHE, { recursive: true, force: true })
mkdirSync(CACHE, { recursive: true })

const found = new Map<Guarded, Piece[]>()
for (const guarded of GUARDED)
  if (existsSync(guarded.folder)) found.set(guarded, await discover(guarded.folder))
const all = [...found.values()].flat()
const { only } = values
const chosen =
  only === undefined ? draw(all, count, seed) : all.filter(({ file }) => file.includes(only))
if (chosen.length === 0)
  throw new RangeError(`--only ${only}: no guarded file has this in its path`)
const drawn = only === undefined ? `drawn by --seed ${seed}` : `of ${only}`
console.log(`${sum(chosen)} mutants of ${sum(all)}, ${drawn}`)

const results: MutantResult[] = []
for (const [guarded, pieces] of found) {
  const mutate = pieces.filter((piece) => chosen.includes(piece))
  if (mutate.length > 0) results.push(...(await test(guarded, mutate)))
}
if (!printResults(results, LEAST_SCORE)) process.exitCode = 1

/** Pieces in the order of the seed, until they have as many mutants as asked for. */
function draw(pieces: readonly Piece[], least: number, from: number): Piece[] {
  const random = new SeededRandom(from)
  const left = [...pieces]
  const taken: Piece[] = []
  for (let mutants = 0; mutants < least && left.length > 0; ) {
    const [piece] = left.splice(random.int(0, left.length - 1), 1)
    taken.push(piece!)
    mutants += piece!.mutants
  }
  return taken
}

async function test({ folder, tests }: Guarded, pieces: readonly Piece[]): Promise<MutantResult[]> {
  console.log(`\n${folder}: ${sum(pieces)} mutants`)
  process.env['POOLHOUSE_MUTANTS_TESTS'] = tests.join(',')
  const stryker = new Stryker({
    mutate: pieces.map(({ file, range }) => `${file}:${range}`),
    mutator: { excludedMutations: EXCLUDED_MUTATIONS },
    testRunner: 'vitest',
    vitest: { configFile: 'scripts/mutants/vitest.config.ts' },
    plugins: ['@stryker-mutator/vitest-runner'],
    coverageAnalysis: 'perTest',
    incremental: true,
    incrementalFile: `${CACHE}/${folder.replaceAll('/', '-')}.json`,
    // With an incremental file StrykerJS reports what it had found before as well.
    reporters: ['progress-append-only'],
    tempDirName: `${CACHE}/sandbox`,
    ignorePatterns: ['/benchmarks', '/docs', '/examples', '/findings', '/sim', '/tests', '**/dist'],
    concurrency: readCount('concurrency', values.concurrency),
    dryRunTimeoutMinutes: 20,
    timeoutMS: 20_000,
    allowConsoleColors: false,
    checkers: [],
  })
  return stryker.runMutationTest()
}

function sum(pieces: readonly Piece[]): number {
  return pieces.reduce((total, { mutants }) => total + mutants, 0)
}

function readCount(name: string, text: string): number {
  const value = Number(text)
  if (!Number.isSafeInteger(value) || value < 1) {
    throw new RangeError(`--${name} must be a whole number from 1, got "${text}"`)
  }
  return value
}
