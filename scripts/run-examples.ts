// Runs every example as a reader would and compares its last line with the one its README shows,
// and every line of those that print the same each time. `pnpm examples [name…]`; the failover
// drill has a command of its own, `pnpm demo`.
import { spawn } from 'node:child_process'
import { chmod, mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { twoAtATime } from '../tests/packaging/packed-project.js'

const EXAMPLES = join(import.meta.dirname, '..', 'examples')
const LONGEST_MS = 180_000
const CLEANED_UP_MS = 10_000
const OWN_COMMAND = new Set(['failover-drill'])
// These print the same lines each time, but for their numbers.
const SAME_LINES = new Set(['basic-pool', 'multi-database'])

/** What an example printed, and how it ended. */
interface Run {
  readonly output: string
  readonly exitCode: number | null
}

const wanted = process.argv.slice(2)
const entries = await readdir(EXAMPLES, { withFileTypes: true })
const all = entries
  .filter((entry) => entry.isDirectory() && !OWN_COMMAND.has(entry.name))
  .map(({ name }) => name)
  .sort()
const unknown = wanted.filter((name) => !all.includes(name))
if (unknown.length > 0) {
  throw new Error(`unknown example ${unknown.join(', ')}; there are ${all.join(', ')}`)
}

const began = performance.now()
const failures: string[] = []
await twoAtATime(wanted.length > 0 ? wanted : all, async (name) => {
  const since = performance.now()
  const { output, complaints } = await check(name)
  for (const complaint of complaints) failures.push(`${name}: ${complaint}`)
  const end = complaints.length === 0 ? 'ok' : 'FAILED'
  console.log(`\n── ${name}\n${output}── ${name}: ${end}, ${secondsSince(since)} s`)
})
for (const failure of failures) console.error(failure)
console.log(`\nexamples: ${failures.length === 0 ? 'all ok' : 'failed'}, ${secondsSince(began)} s`)
process.exitCode = failures.length === 0 ? 0 : 1

/** Runs one example. Returns what it printed and what is wrong with it. */
async function check(name: string): Promise<{ output: string; complaints: string[] }> {
  const directory = join(EXAMPLES, name)
  const shown = outputIn(await readFile(join(directory, 'README.md'), 'utf8'))
  const expected = shown.at(-1) ?? ''
  // A place of its own for the data of its servers: what is left there has not been cleaned up.
  // Open to the servers' user.
  const place = await mkdtemp(join(tmpdir(), 'ex-'))
  await chmod(place, 0o755)
  try {
    const { output, exitCode } = await run(directory, place)
    const last = output.trimEnd().split('\n').at(-1) ?? ''
    const complaints: string[] = []
    if (exitCode !== 0) complaints.push(`exit code ${exitCode ?? `none after ${LONGEST_MS} ms`}`)
    if (last !== expected)
      complaints.push(`the last line is "${last}", its README has "${expected}"`)
    if (SAME_LINES.has(name)) complaints.push(...otherLines(shown, output.trimEnd().split('\n')))
    const left = await whatIsLeft(place)
    if (left.length > 0) complaints.push(`left behind: ${left.join('; ')}`)
    return { output, complaints }
  } finally {
    await rm(place, { recursive: true, force: true })
  }
}

/** Does what `pnpm start` does, in a process group of its own so that all of it can be ended. */
async function run(directory: string, place: string): Promise<Run> {
  const { scripts } = JSON.parse(await readFile(join(directory, 'package.json'), 'utf8')) as {
    scripts: { start: string }
  }
  const path = [join(directory, 'node_modules', '.bin'), process.env['PATH']].join(delimiter)
  const child = spawn(scripts.start, {
    shell: true,
    detached: true,
    cwd: directory,
    env: { ...process.env, PATH: path, TMPDIR: place },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const timer = setTimeout(() => process.kill(-(child.pid ?? 0), 'SIGKILL'), LONGEST_MS)
  let output = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text
  })
  try {
    return await new Promise<Run>((resolve, reject) => {
      child.once('error', reject)
      child.once('close', (exitCode) => resolve({ output, exitCode }))
    })
  } finally {
    clearTimeout(timer)
  }
}

/** The lines of the last output that a README shows. */
function outputIn(readme: string): string[] {
  const shown = [...readme.matchAll(/^```text\n(.*?)\n```$/gms)].at(-1)?.[1]
  if (shown === undefined) throw new Error('the README shows no output in a block ```text')
  return shown.split('\n')
}

/** Lines of an output that are not as a README shows them, apart from their numbers. */
function otherLines(shown: readonly string[], printed: readonly string[]): string[] {
  const shape = (line = ''): string => line.replaceAll(/\d+(?:\.\d+)?/g, '0').replaceAll(/ +/g, ' ')
  return printed
    .map((line, at) => ({ line, expected: shown[at] }))
    .filter(({ line, expected }) => shape(line) !== shape(expected))
    .map(({ line, expected = '' }) => `it printed "${line}", its README has "${expected}"`)
}

/** Data and processes of servers. What cleans up outlives the example by a moment. */
async function whatIsLeft(place: string): Promise<string[]> {
  const deadline = performance.now() + CLEANED_UP_MS
  for (;;) {
    const data = (await readdir(place)).filter((entry) => entry.startsWith('poolhouse-'))
    const left = [...data, ...(await processesNaming(place))]
    if (left.length === 0 || performance.now() > deadline) return left
    await sleep(100)
  }
}

/** Processes that have something to do with the place, by their command lines. */
async function processesNaming(place: string): Promise<string[]> {
  if (process.platform !== 'linux') return []
  const pids = (await readdir('/proc')).filter((entry) => /^\d+$/.test(entry))
  const lines = await Promise.all(
    pids.map(async (pid) => {
      const line = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')
      return `${pid} ${line.replaceAll('\0', ' ').trim()}`
    }),
  )
  return lines.filter((line) => line.includes(place))
}

function secondsSince(time: number): string {
  return ((performance.now() - time) / 1_000).toFixed(1)
}
