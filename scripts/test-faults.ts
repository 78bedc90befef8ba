/**
 * Runs the scenarios in which servers are killed, frozen, cut off and promoted: every one, or a
 * share of their files that a seed draws.
 *
 *     pnpm test:faults                                    every file, each scenario over one driver
 *     POOLHOUSE_FAULTS_SHARE=1/4 pnpm test:faults         a quarter of the files
 *     POOLHOUSE_FAULTS_DRIVERS=both pnpm test:faults      each scenario over each driver
 *
 * POOLHOUSE_FAULTS_SEED chooses the files and which scenario runs over which driver. It is printed;
 * the same seed runs the same. Default: the hash of the commit, so that each commit draws anew and
 * a run of it can be repeated. Further arguments go to vitest.
 */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'

const ENDING = '.faults.test.ts'

const seed = process.env['POOLHOUSE_FAULTS_SEED'] ?? commitHash()
const share = readShare(process.env['POOLHOUSE_FAULTS_SHARE'] ?? '1/1')
const files = draw(faultFiles('tests'), share, seed)
console.log(`faults: ${files.length} files, share ${share.text}, POOLHOUSE_FAULTS_SEED=${seed}`)
for (const file of files) console.log(`  ${file}`)

const { status } = spawnSync(
  'npx',
  ['vitest', 'run', '--project', 'faults', ...files, ...process.argv.slice(2)],
  { stdio: 'inherit', env: { ...process.env, POOLHOUSE_FAULTS_SEED: seed } },
)
process.exitCode = status ?? 1

/** Part of a whole, such as 1/4. */
interface Share {
  readonly text: string
  readonly part: number
}

function readShare(text: string): Share {
  const [, count, whole] = /^(\d+)\/(\d+)$/.exec(text) ?? []
  const part = Number(count) / Number(whole)
  if (!(part > 0 && part <= 1)) {
    throw new RangeError(`POOLHOUSE_FAULTS_SHARE must be a fraction such as 1/4, got "${text}"`)
  }
  return { text, part }
}

function faultFiles(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true })
    .filter(({ name }) => name !== 'node_modules')
    .flatMap((entry) => {
      const path = join(folder, entry.name)
      return entry.isDirectory() ? faultFiles(path) : path.endsWith(ENDING) ? [path] : []
    })
    .sort()
}

/** The files that come first when each gets a number from the seed. */
function draw(all: readonly string[], { part }: Share, from: string): string[] {
  const number = (file: string): string =>
    createHash('sha256').update(`${from}\n${file}`).digest('hex')
  return [...all]
    .sort((a, b) => (number(a) < number(b) ? -1 : 1))
    .slice(0, Math.ceil(all.length * part))
    .sort()
}

function commitHash(): string {
  const { stdout } = spawnSync('git', ['rev-parse', 'HEAD'], { encoding: 'utf8' })
  return process.env['GITHUB_SHA'] ?? (stdout?.trim() || 'no commit')
}
