import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Guarded } from './guarded.js'
import { JOB, type Job, type JobReport, type Verdict } from './job.js'
import { hash, instrumentFor, type Mutant } from './mutate.js'
import type { Tests } from './verdicts.js'

/** Without a new test for so long, and with so much processor time used meanwhile, it loops. */
const SILENT_MS = 60_000
const LOOP_CPU_S = 45
/** Where no processor time can be read. */
const SILENT_ELSEWHERE_MS = 180_000

/**
 * Judges those mutants of a package that are open, in so many processes, each of which is replaced
 * when a mutant has spoiled it. Each verdict is told at once.
 */
export async function judge(
  { folder, remembering = [] }: Guarded,
  mutants: readonly Mutant[],
  isOpen: (mutant: Mutant) => boolean,
  tests: Tests,
  cache: string,
  processes: number,
  tell: (mutant: Mutant, verdict: Verdict) => void,
): Promise<void> {
  const wanted = new Set(mutants.map(({ key }) => key))
  const { files, mutants: all } = await instrumentFor(mutants)
  const open = [...all].filter(([, mutant]) => wanted.has(mutant.key) && isOpen(mutant))
  const reach = join(cache, `reach-${hash(tests.state, ...Object.values(files))}.json`)
  const parts = Array.from({ length: processes }, async (_, part) => {
    const own = open.filter((_mutant, at) => at % processes === part)
    // The first finds out for all which test reaches what.
    while (part > 0 && !existsSync(reach)) await sleep(1_000)
    const place = join(cache, basename(folder), `process-${part}`)
    mkdirSync(place, { recursive: true })
    const remembers = (file: string): boolean =>
      remembering.some((source) => file.startsWith(join(folder, 'src', source)))
    await judgePart(new Map(own), {
      files,
      tests: tests.files,
      reach,
      remembers,
      place,
      tell,
    })
  })
  await Promise.all(parts)
}

interface Part {
  readonly files: Job['files']
  readonly tests: readonly string[]
  readonly reach: string
  readonly remembers: (file: string) => boolean
  /** A folder for what process and parent tell each other. */
  readonly place: string
  readonly tell: (mutant: Mutant, verdict: Verdict) => void
}

async function judgePart(open: Map<string, Mutant>, part: Part): Promise<void> {
  const { files, tests, reach, remembers, place, tell } = part
  const log = join(place, 'log.jsonl')
  const pulse = join(place, 'pulse')
  writeFileSync(pulse, '')
  const unsteady: string[] = []
  let spoiled: string | undefined
  let crashed: string | undefined
  const close = (id: string, verdict: Verdict): void => {
    const mutant = open.get(id)
    if (mutant !== undefined) tell(mutant, verdict)
    open.delete(id)
  }
  while (open.size > 0) {
    rmSync(log, { force: true })
    const left = [...open].map(([id, { file }]) => ({ id, file, remembers: remembers(file) }))
    const learn = !existsSync(reach)
    const job: Job = { files, mutants: left, tests, log, reach, learn, pulse, unsteady }
    const looped = await runJob(job, join(place, 'job.json'), close)
    const reports = readReports(log)
    for (const report of reports) {
      if ('leftOut' in report) console.log(`fails without a mutant, left out: ${report.leftOut}`)
    }
    const at = reports.findLast((report) => 'at' in report)?.at
    const last = reports.at(-1)
    if (last !== undefined && 'done' in last) return
    if (at === undefined) throw new Error(`the tests do not begin: see ${join(place, 'out.txt')}`)
    if (last !== undefined && 'unsteady' in last) {
      console.log(`begins a new process: without a mutant fails ${last.unsteady}`)
      // The first mutant of a process cannot have been spoiled by another: the test is at fault.
      if (spoiled === last.id || left[0]?.id === last.id) unsteady.push(last.unsteady)
      spoiled = last.id
    } else if (looped) close(at, { status: 'hung', by: 'an endless loop' })
    else if (crashed === at) close(at, { status: 'noticed', by: 'the end of the process' })
    else crashed = at
  }
}

/** Returns whether it had to be killed because it loops. */
async function runJob(
  job: Job,
  path: string,
  close: (id: string, verdict: Verdict) => void,
): Promise<boolean> {
  writeFileSync(path, JSON.stringify(job))
  const out = path.replace('job.json', 'out.txt')
  const child = spawn(
    'sh',
    [
      '-c',
      'exec "$0" "$@" > "$OUT" 2>&1',
      'node_modules/.bin/vitest',
      'run',
      '--config',
      'scripts/mutants/vitest.config.ts',
    ],
    { env: { ...process.env, [JOB]: path, OUT: out }, detached: true, stdio: 'ignore' },
  )
  let ended = false
  const end = once(child, 'exit').then(() => {
    ended = true
  })
  let beat = Date.now()
  let cpu = 0
  while (!ended) {
    await Promise.race([end, sleep(1_000)])
    const last = statSync(job.pulse).mtimeMs
    const reports = readReports(job.log)
    for (const report of reports) if ('status' in report) close(report.id, report)
    const worker = reports.find((report) => 'pid' in report)?.pid
    if (last !== beat || worker === undefined) {
      beat = last
      cpu = worker === undefined ? 0 : cpuSeconds(worker)
      continue
    }
    const silent = Date.now() - Math.max(beat, 0)
    const used = cpuSeconds(worker) - cpu
    const loops = Number.isNaN(used)
      ? silent > SILENT_ELSEWHERE_MS
      : silent > SILENT_MS && used > LOOP_CPU_S
    if (!loops) continue
    process.kill(-child.pid!, 'SIGKILL')
    await end
    return true
  }
  return false
}

/** NaN where the system does not tell. */
function cpuSeconds(pid: number): number {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ')
    return (Number(fields[11]) + Number(fields[12])) / 100
  } catch {
    return Number.NaN
  }
}

function readReports(log: string): JobReport[] {
  if (!existsSync(log)) return []
  return readFileSync(log, 'utf8')
    .split('\n')
    .filter((line) => line.endsWith('}'))
    .map((line) => JSON.parse(line) as JobReport)
}
