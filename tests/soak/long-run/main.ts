// `pnpm soak --minutes N --seed S [--driver pg|postgres-js]`: a manager with three databases and
// their tenants at work while servers, lines, the pooler and the clock fail at random.
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { debianPackage } from '@poolhouse/testkit'
import { CLOCK_FILE } from './client-clock.js'
import { runSoak, type SoakOptions } from './run-soak.js'

const INSIDE = 'POOLHOUSE_SOAK_INSIDE'
/** How often the run says that its event loop turns, and how long it may be silent. */
const BEAT_MS = 5_000
const STILL_MS = 60_000
const DRIVERS = { pg: 'nodePostgres', 'postgres-js': 'postgresJs' } as const

function readArguments(): SoakOptions {
  const { values } = parseArgs({
    options: {
      minutes: { type: 'string', default: '10' },
      seed: { type: 'string', default: String(Date.now() % 1e6) },
      driver: { type: 'string', default: 'pg' },
      faults: { type: 'string' },
    },
  })
  const [minutes, seed] = [Number(values.minutes), Number(values.seed)]
  const driver = DRIVERS[values.driver as keyof typeof DRIVERS]
  if (!(minutes >= 1) || !Number.isInteger(seed) || driver === undefined) {
    console.error(
      'usage: pnpm soak --minutes N --seed S [--driver pg|postgres-js] [--faults "kill, restart;cut"]',
    )
    process.exit(2)
  }
  return { minutes, seed, driver, faults: values.faults?.split(';') }
}

/** Runs this script once more, where mounts go with the process and its clock can be moved. */
async function runInside(): Promise<number> {
  const clock = await clockSettings()
  const mayMount =
    process.platform === 'linux' && process.getuid?.() === 0 && existsSync('/usr/bin/unshare')
  // What counts the objects on the heap is experimental, and says so.
  const node = [
    process.execPath,
    ...process.execArgv,
    '--disable-warning=ExperimentalWarning',
    fileURLToPath(import.meta.url),
    ...process.argv.slice(2),
  ]
  const [file, ...args] = mayMount ? ['/usr/bin/unshare', '--mount', ...node] : node
  const env = { ...process.env, ...clock?.env, [INSIDE]: '1' }
  const child = spawn(file!, args, { stdio: ['inherit', 'inherit', 'inherit', 'ipc'], env })
  // A loop that does not turn any more cannot report that itself.
  let beatAt = performance.now()
  child.on('message', () => {
    beatAt = performance.now()
  })
  const watching = setInterval(() => {
    if (performance.now() - beatAt < STILL_MS) return
    console.error(
      `the event loop of the run has not turned for ${STILL_MS / 1_000} s; it is killed`,
    )
    child.kill('SIGKILL')
  }, BEAT_MS)
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => child.kill(signal))
  return await new Promise((resolve) => {
    child.once('close', (code) => {
      clearInterval(watching)
      if (clock !== undefined) rmSync(clock.folder, { recursive: true })
      resolve(code ?? 1)
    })
  })
}

/** What makes a process take its wall clock from a file; undefined where it cannot be had. */
async function clockSettings() {
  try {
    const { binary } = await debianPackage('libfaketime', {
      binary: 'usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1',
    })
    const folder = mkdtempSync(join(tmpdir(), 'clock-'))
    const file = join(folder, 'offset')
    writeFileSync(file, '+0s\n')
    const env = {
      LD_PRELOAD: binary,
      [CLOCK_FILE]: file,
      FAKETIME_CACHE_DURATION: '1',
      DONT_FAKE_MONOTONIC: '1',
      FAKETIME_DONT_RESET: '1',
    }
    return { folder, env }
  } catch (error) {
    console.error(`the clock stays as it is: ${(error as Error).message}`)
    return undefined
  }
}

const options = readArguments()
if (process.env[INSIDE] === undefined) {
  process.exitCode = await runInside()
} else {
  // Servers and their tools keep the true time.
  delete process.env['LD_PRELOAD']
  const beat = (): void => {
    if (process.connected) process.send?.('turning', () => {})
  }
  setInterval(beat, BEAT_MS).unref()
  // Not by the exit code alone: a workload that a failure leaves behind would go on for ever, and
  // listens to unhandled rejections itself.
  process.exit(
    await runSoak(options).then(
      (isGood) => (isGood && process.exitCode === undefined ? 0 : 1),
      (error: unknown) => {
        console.error(error)
        return 1
      },
    ),
  )
}
