/**
 * Runs Poolhouse on real servers and behind real poolers and proxies, one corner after the other,
 * and writes docs/compatibility.json and docs/compatibility.md.
 *
 *     pnpm matrix                       every corner over both drivers; an hour
 *     pnpm matrix --only pgbouncer      the corners whose names contain this
 *     pnpm matrix --driver postgres.js  one driver
 *     pnpm matrix --ask cancel,copy     some columns of the page
 *     pnpm matrix --missing             only cells without a result, or whose last run failed
 *     pnpm matrix --jobs 3              so many corners at a time; default 1
 *     pnpm matrix --list                lists the corners
 *     pnpm matrix --page                writes the page from the results, runs nothing
 *     pnpm matrix --quick               two corners, without suites and outage: fails if they
 *                                       differ from the page, and writes nothing
 *
 * Each run replaces what it found out, so a run that is cut off keeps the rest. Versions of
 * PostgreSQL and Node.js are installed into .cache/ on first use, poolers come from Debian.
 */
import { spawn } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { partOf } from '../tests/faults/rotation.js'
import { CORNERS, type Corner } from '../tests/matrix/corners.js'
import { ASPECTS, type Aspect, DRIVERS_OF_PAGE, type PageDriver } from '../tests/matrix/finding.js'
import { compatibilityPage } from '../tests/matrix/page.js'
import { nodeBinary } from '../tests/matrix/programs.js'
import { merged, type RunResult, readResults, writeResults } from '../tests/matrix/results-file.js'
import { turnsSoFar } from '../tests/support/commit-number.js'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const PAGE = join(ROOT, 'docs', 'compatibility.md')
const SCRIPT = join(ROOT, 'tests', 'matrix', 'run-corner.ts')
const FACTORIES = { pg: 'nodePostgres', 'postgres.js': 'postgresJs' } as const
/** Longest time of a corner over one driver. */
const LONGEST_MS = 30 * 60_000
/** What two corners can be asked in some seconds. */
const QUICK: readonly Aspect[] = ['cleaning', 'cancel', 'copy', 'listen', 'parameters']
/** Corners that start in a moment, and that CI has everything for. */
const QUICK_CORNERS = CORNERS.filter(
  ({ name, node }) => node === undefined && !/haproxy|-1[567]$/.test(name),
)

const { values } = parseArgs({
  args: process.argv.slice(2).map((arg) => (arg === '--quick' ? '--quick=' : arg)),
  options: {
    only: { type: 'string', default: '' },
    driver: { type: 'string' },
    ask: { type: 'string' },
    list: { type: 'boolean' },
    page: { type: 'boolean' },
    missing: { type: 'boolean' },
    jobs: { type: 'string', default: '1' },
    quick: { type: 'string' },
  },
})
let keeping: Promise<void> = Promise.resolve()
const names = CORNERS.map(({ name }) => name)
if (values.list === true) console.log(names.join('\n'))
else if (values.page === true) await writePage()
else if (values.quick !== undefined) await compareQuick(values.quick)
else await runAll()

async function runAll(): Promise<void> {
  const corners = CORNERS.filter(({ name }) => name.includes(values.only))
  if (corners.length === 0) {
    throw new RangeError(
      `--only ${values.only}: there is no such corner; there are ${names.join(', ')}`,
    )
  }
  const aspects =
    values.ask === undefined ? ASPECTS : chosen('--ask', values.ask.split(','), ASPECTS)
  const drivers =
    values.driver === undefined
      ? DRIVERS_OF_PAGE
      : chosen('--driver', [values.driver], DRIVERS_OF_PAGE)
  const jobs = Number(values.jobs)
  if (!(Number.isInteger(jobs) && jobs >= 1)) {
    throw new RangeError(`--jobs ${values.jobs}: must be a whole number of at least 1`)
  }
  const left = corners.flatMap((corner) => drivers.map((driver) => ({ corner, driver })))
  const work = async (): Promise<void> => {
    for (let next = left.shift(); next !== undefined; next = left.shift()) {
      const { corner, driver } = next
      const asked = values.missing === true ? await missing(corner, driver, aspects) : aspects
      const run = asked.length === 0 ? undefined : await runCorner(corner, driver, asked)
      if (run === undefined) continue
      await keep(corner, driver, run)
      tellFaults(corner, run)
    }
  }
  await Promise.all(Array.from({ length: jobs }, work))
}

/** Those without a result, or whose last run failed. */
async function missing(
  { name, notRun }: Corner,
  driver: PageDriver,
  aspects: readonly Aspect[],
): Promise<Aspect[]> {
  await keeping
  const found = (await readResults())[name]?.findings[driver]
  return aspects.filter((aspect) => {
    const is = found?.[aspect]?.is
    return notRun?.[aspect] === undefined && (is === undefined || is === 'fails')
  })
}

/** Puts the answers of a run into the results and onto the page, one run after the other. */
function keep(corner: Corner, driver: PageDriver, run: RunResult): Promise<void> {
  keeping = keeping.then(async () => {
    const date = new Date().toISOString().slice(0, 10)
    await writeResults(merged(await readResults(), corner.name, driver, run, date), names)
    await writePage()
  })
  return keeping
}

/** Runs two corners, each over one driver, and compares them with the page. */
async function compareQuick(asked: string): Promise<void> {
  const count = QUICK_CORNERS.length
  const number = asked === '' ? partOf(turnsSoFar('matrix'), count) : Number(asked) % count
  const pair = [number, (number + Math.floor(count / 2)) % count]
  const results = await readResults()
  for (const [index, place] of pair.entries()) {
    const corner = QUICK_CORNERS[place]!
    const driver = DRIVERS_OF_PAGE[(number + index) % DRIVERS_OF_PAGE.length]!
    const run = await runCorner(corner, driver, QUICK)
    for (const aspect of QUICK) {
      const was = results[corner.name]?.findings[driver]?.[aspect]
      const is = run?.findings[aspect]
      const isNews = was === undefined && is !== undefined && is.is !== 'fails'
      if (isNews || JSON.stringify(was) === JSON.stringify(is)) continue
      process.exitCode = 1
      console.error(
        `✗ ${corner.name}, ${driver}, ${aspect}\n  the page has ${JSON.stringify(was)}\n  this run  ${JSON.stringify(is)}\n  if that is right: pnpm matrix --only ${corner.name}`,
      )
    }
  }
}

/** Runs a corner in a process of its own; undefined if not even one answer came. */
async function runCorner(
  corner: Corner,
  driver: PageDriver,
  aspects: readonly Aspect[],
): Promise<RunResult | undefined> {
  const node = corner.node === undefined ? process.execPath : await nodeBinary(corner.node)
  const folder = await mkdtemp(join(tmpdir(), 'poolhouse-matrix-'))
  const file = join(folder, 'result.json')
  try {
    await writeFile(file, '')
    const tsx = ['--conditions=@poolhouse/source', '--import', import.meta.resolve('tsx')]
    const args = [...tsx, SCRIPT, corner.name, FACTORIES[driver], aspects.join(), file]
    const code = await new Promise<number | null>((resolve, reject) => {
      const child = spawn(node, args, { stdio: 'inherit', cwd: join(ROOT, 'tests') })
      const timer = setTimeout(() => child.kill('SIGKILL'), LONGEST_MS)
      child.once('error', reject)
      child.once('close', (ended) => {
        clearTimeout(timer)
        resolve(ended)
      })
    })
    if (code !== 0) {
      process.exitCode = 1
      console.error(`✗ ${corner.name}, ${driver}: ended with ${code ?? 'a signal'}`)
    }
    const text = await readFile(file, 'utf8')
    return text === '' ? undefined : (JSON.parse(text) as RunResult)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

function tellFaults({ name }: Corner, { findings }: RunResult): void {
  for (const [aspect, finding] of Object.entries(findings)) {
    if (finding.is !== 'fails') continue
    process.exitCode = 1
    console.error(`✗ ${name}, ${aspect}: ${finding.what}`)
  }
}

async function writePage(): Promise<void> {
  await writeFile(PAGE, compatibilityPage(CORNERS, await readResults()))
}

function chosen<T extends string>(
  option: string,
  asked: readonly string[],
  all: readonly T[],
): readonly T[] {
  for (const one of asked) {
    if (!all.includes(one as T)) {
      throw new RangeError(`${option} ${one}: there is no such name; there are ${all.join(', ')}`)
    }
  }
  return all.filter((one) => asked.includes(one))
}
