/**
 * Changes the code that keeps the guarantees in small ways, and counts how many of the changes the
 * unit tests and simulations notice (mutation testing, with the mutators of StrykerJS).
 *
 *     pnpm mutants                       1,000 mutants, drawn by a seed that is printed
 *     pnpm mutants --seed 7 --count 500  draws as that seed does
 *     pnpm mutants --only core/src/sql   every mutant of the guarded files whose path has this text
 *
 * What has been found out is kept in `.cache/mutants/`, so a run that was cut off goes on there: a
 * mutant that was noticed is not tried again until its file changes, one that was missed until its
 * file or a test of its package changes. `--fresh` begins anew. Exit code: 0 when at least 85 %
 * were noticed.
 */
import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { SeededRandom } from '../../packages/core/src/testing/seeded-random.js'
import { GUARDED, type Guarded } from './guarded.js'
import { judge } from './judge.js'
import { findMutants, type Mutant } from './mutate.js'
import { printResults } from './report.js'
import { findTests, Verdicts } from './verdicts.js'

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
const concurrency = readCount('concurrency', values.concurrency)
// A simulation of so few schedules finds most of what one of 2,000 finds.
process.env['POOLHOUSE_SIM_RUNS'] ??= '50'
// It stands in the name of a test, which must be the same each time.
process.env['POOLHOUSE_LEXER_SEED'] ??= '1'

if (values.fresh) rmSync(CACHE, { recursive: true, force: true })
mkdirSync(CACHE, { recursive: true })

const found = new Map<Guarded, Mutant[]>()
for (const guarded of GUARDED) found.set(guarded, await findMutants(guarded))
const all = [...found.values()].flat()
const { only } = values
const chosen =
  only === undefined ? draw(all, count, seed) : all.filter(({ file }) => file.includes(only))
if (chosen.length === 0) {
  throw new RangeError(`--only ${only}: no guarded file has this in its path`)
}
const how = only === undefined ? `drawn by --seed ${seed}` : `of ${only}`
console.log(`${chosen.length} mutants of ${all.length}, ${how}`)

const verdicts = new Verdicts(join(CACHE, 'verdicts.jsonl'))
for (const [guarded, mutants] of found) {
  const tests = findTests(guarded)
  const mine = mutants.filter((mutant) => chosen.includes(mutant))
  const isOpen = (mutant: Mutant): boolean => verdicts.find(mutant, tests) === undefined
  const open = mine.filter(isOpen).length
  if (open === 0) continue
  console.log(`\n${guarded.folder}: ${mine.length} mutants, ${open} of them to be judged`)
  await judge(guarded, mine, isOpen, tests, CACHE, concurrency, (mutant, verdict) => {
    verdicts.add(mutant, verdict, tests)
    if (verdicts.added % 50 === 0) console.log(`${verdicts.added} judged`)
  })
}
const results = chosen.map((mutant) => ({ mutant, verdict: verdicts.get(mutant) }))
if (!printResults(results, LEAST_SCORE)) process.exitCode = 1
if (only === undefined) console.log(`again: pnpm mutants --seed ${seed} --count ${count}`)

/** So many mutants, each as likely as another. */
function draw(mutants: readonly Mutant[], most: number, from: number): Mutant[] {
  const random = new SeededRandom(from)
  const left = [...mutants]
  const taken: Mutant[] = []
  while (taken.length < most && left.length > 0) {
    const at = random.int(0, left.length - 1)
    taken.push(left[at]!)
    left[at] = left.at(-1)!
    left.pop()
  }
  return taken
}

function readCount(name: string, text: string): number {
  const value = Number(text)
  if (!Number.isSafeInteger(value) || value < 1) {
    throw new RangeError(`--${name} must be a whole number from 1, got "${text}"`)
  }
  return value
}
