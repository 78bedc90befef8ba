// Measures how the repository is laid out, prints each number beside its limit, and fails if one is
// missed: `pnpm run house`. The rules are in CONTRIBUTING.md; nothing here is timed.
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { countCodeLines } from './house/code-lines.js'
import { findImportFaults } from './house/import-circles.js'
import { findLongComments } from './house/long-comments.js'
import { findVagueWords } from './house/plain-words.js'
import { findScenarioGaps } from './house/scenario-codes.js'
import { readTrackedFiles, type TrackedFile } from './house/tracked-files.js'

/** A number, its limit, and what makes the number too large. */
interface Measure {
  readonly name: string
  readonly value: number
  readonly limit: number
  /** What to look at if the limit is exceeded. */
  readonly offenders: readonly string[]
}

/** Folders whose imports are checked. */
const IMPORTING = ['packages', 'tests', 'sim', 'benchmarks', 'examples', 'scripts']

/** What the packages held in 6e7e541, less what the layout since then had to save. */
const CODE_LINES = 52_639 - 600
/** What each feature since then may add. */
const FEATURES: Readonly<Record<string, number>> = {
  'failFast, what is printed, types of codes and of lease.raw': 390,
  'facades for libraries that take a pg.Pool or the sql of postgres.js': 4_300,
  'which statement may share its connection, by its text': 460,
  'batches and transactions of an array of statements': 1_250,
  'BEGIN that travels, and what a failed call says': 600,
  'the option multiplex': 140,
  'the shared lane': 1_250,
  'a query through all pools at the cost of core alone': 241,
  'a page that shows pools as they work': 1_800,
  'watched calls, and their metrics and spans for OpenTelemetry': 1_620,
  'messages of errors that end with their code, and show a configuration that works': 40,
  'histograms, leaks and slow texts to see, and what observes a manager': 560,
  'the command line': 2_550,
  'the statistics for Prometheus, and events as lines of a log': 880,
  'Pgpool-II, health checks of HAProxy, and calls that wait behind a pooler': 275,
  'clusters under pg_auto_failover and repmgr': 755,
  'the loss of a session behind the rollback of a library, and odd ends of the command line': 70,
  'a refusal where a dead primary was, programs that end with their children, how repmgr takes a node back': 30,
  'attempts to connect that hang, and standbys that keep their receiver': 165,
  'certificates that doctor looks at, events of tenants, and odd input of the command line': 310,
}

const root = fileURLToPath(new URL('..', import.meta.url))
const files = readTrackedFiles(root)
const sources = files.filter(({ path }) => path.endsWith('.ts'))
const packaged = sources.filter(({ path }) => /^packages\/[^/]+\/src\//.test(path))
const imports = await findImportFaults(root, IMPORTING)

const measures: Measure[] = [
  largest('files side by side in one folder', 20, filesPerFolder(sources)),
  largest('lines of the largest source file', 500, linesPerFile(sources)),
  none('circles of imports between files, but for the one allowed', imports.files),
  none('circles of imports between folders', imports.folders),
  none('imports that run back up', imports.backUp),
  none('comment lines over 100 columns', sources.flatMap(findLongComments)),
  none('vague words for a person', files.flatMap(findVagueWords)),
  none('codes of test titles without a line in docs/scenarios.md, or the reverse', scenarioGaps()),
  codeLines(),
]

for (const { name, value, limit, offenders } of measures) {
  const isMet = value <= limit
  const numbers = `${value.toLocaleString('en')} (limit ${limit.toLocaleString('en')})`
  console.log(`${isMet ? '✓' : '✗'} ${name}: ${numbers}`)
  if (isMet) continue
  process.exitCode = 1
  for (const offender of offenders) console.log(`    ${offender}`)
}

/** Sizes by name. The value is the largest of them; those above the limit are listed. */
function largest(name: string, limit: number, sizes: ReadonlyMap<string, number>): Measure {
  const tooLarge = [...sizes].filter(([, size]) => size > limit).sort(([, a], [, b]) => b - a)
  return {
    name,
    value: Math.max(...sizes.values()),
    limit,
    offenders: tooLarge.map(([what, size]) => `${size} ${what}`),
  }
}

function none(name: string, offenders: readonly string[]): Measure {
  return { name, value: offenders.length, limit: 0, offenders }
}

function filesPerFolder(of: readonly TrackedFile[]): Map<string, number> {
  const counts = new Map<string, number>()
  for (const { path } of of) counts.set(dirname(path), (counts.get(dirname(path)) ?? 0) + 1)
  return counts
}

/** Test files are lists of cases and may be longer. */
function linesPerFile(of: readonly TrackedFile[]): Map<string, number> {
  const others = of.filter(({ path }) => !/\.test(?:-d)?\.ts$/.test(path))
  return new Map(others.map(({ path, text }) => [path, text.trimEnd().split('\n').length]))
}

function scenarioGaps(): string[] {
  const page = files.find(({ path }) => path === join('docs', 'scenarios.md'))
  return findScenarioGaps(sources, page?.text ?? '')
}

function codeLines(): Measure {
  const perPackage = new Map<string, number>()
  for (const file of packaged) {
    const name = file.path.split('/').slice(0, 3).join('/')
    perPackage.set(name, (perPackage.get(name) ?? 0) + countCodeLines(file))
  }
  const value = [...perPackage.values()].reduce((sum, lines) => sum + lines, 0)
  const offenders = [...perPackage].map(([name, lines]) => `${lines} ${name}`)
  const limit = Object.values(FEATURES).reduce((sum, lines) => sum + lines, CODE_LINES)
  return { name: 'code lines of packages/*/src', value, limit, offenders }
}
