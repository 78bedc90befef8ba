import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { cpSync, existsSync, rmSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const run = promisify(execFile)

/**
 * Poolhouse as of another commit, built in a folder of its own. Removed when it is disposed of, and
 * when the process is told to end.
 */
export interface BaseBuild extends Disposable {
  /** The commit, abbreviated. */
  readonly commit: string
  /**
   * The counterpart of one of this build's scripts: the same measuring code, over the packages of
   * that commit.
   */
  counterpart(script: string): string
}

const DIST = dirname(fileURLToPath(import.meta.url))
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
// An install without a network and a build without declarations take half a minute.
const LIMIT_MS = 600_000

/**
 * Checks a commit of this repository out into a temporary folder, installs and builds its packages
 * there, and puts this build's measuring code on top of them. Throws an `Error` in words for humans
 * if there is no such commit or it cannot be built.
 */
export async function buildBase(commit: string): Promise<BaseBuild> {
  const root = await repository()
  const hash = await resolveCommit(root, commit)
  const folder = await mkdtemp(join(tmpdir(), 'poolhouse-base-'))
  let child: ChildProcess | undefined
  const remove = (): void => rmSync(folder, { recursive: true, force: true, maxRetries: 3 })
  const onSignal = (signal: NodeJS.Signals): void => {
    killGroup(child)
    remove()
    process.exit(signal === 'SIGINT' ? 130 : 143)
  }
  for (const signal of SIGNALS) process.once(signal, onSignal)
  const dispose = (): void => {
    for (const signal of SIGNALS) process.removeListener(signal, onSignal)
    remove()
  }
  const step = (command: string, args: readonly string[]): Promise<void> =>
    perform(command, args, folder, (started) => {
      child = started
    })
  try {
    console.log(`building ${hash} …`)
    await step('git', ['clone', '--quiet', '--shared', '--no-checkout', root, '.'])
    await step('git', ['checkout', '--quiet', '--detach', hash])
    if (!existsSync(join(folder, 'benchmarks/package.json'))) {
      throw new Error(`commit ${hash} has no benchmarks, so that nothing tells what they need`)
    }
    const pnpm = packageManager()
    await step(pnpm[0], [
      ...pnpm.slice(1),
      'install',
      '--frozen-lockfile',
      '--prefer-offline',
      '--ignore-scripts',
    ])
    // Declarations are no part of what is measured, and most of the time of a build.
    await step(pnpm[0], [
      ...pnpm.slice(1),
      'exec',
      'turbo',
      'run',
      'build',
      '--filter=@poolhouse/benchmarks^...',
      '--output-logs=errors-only',
      '--',
      '--no-dts',
    ])
    const dist = join(folder, 'benchmarks/dist')
    cpSync(DIST, dist, { recursive: true })
    return {
      commit: hash.slice(0, 7),
      counterpart: (script) => join(dist, relative(DIST, script)),
      [Symbol.dispose]: dispose,
    }
  } catch (error) {
    dispose()
    throw error
  }
}

async function repository(): Promise<string> {
  try {
    const { stdout } = await run('git', ['rev-parse', '--show-toplevel'], { cwd: DIST })
    return stdout.trim()
  } catch (cause) {
    throw new Error('--base needs git and a clone of the repository', { cause })
  }
}

async function resolveCommit(cwd: string, commit: string): Promise<string> {
  try {
    const args = ['rev-parse', '--verify', '--quiet', '--end-of-options', `${commit}^{commit}`]
    return (await run('git', args, { cwd })).stdout.trim()
  } catch (cause) {
    throw new Error(`--base: this repository has no commit "${commit}"`, { cause })
  }
}

/** The pnpm that runs this script, or another one. */
function packageManager(): readonly [string, ...string[]] {
  const running = process.env['npm_execpath']
  if (running === undefined || !/pnpm/.test(running)) return ['npx', '-y', 'pnpm@12']
  return /\.[cm]?js$/.test(running) ? [process.execPath, running] : [running]
}

/** Runs a command in a process group of its own, so that what it starts can be ended with it. */
function perform(
  command: string,
  args: readonly string[],
  cwd: string,
  started: (child: ChildProcess) => void,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, INIT_CWD: cwd, TURBO_TELEMETRY_DISABLED: '1', CI: 'true' },
    })
    started(child)
    const said: Buffer[] = []
    child.stdout.on('data', (piece: Buffer) => said.push(piece))
    child.stderr.on('data', (piece: Buffer) => said.push(piece))
    const timer = setTimeout(() => killGroup(child), LIMIT_MS)
    const end = (why: string | undefined): void => {
      clearTimeout(timer)
      if (why === undefined) {
        resolve()
        return
      }
      const words = Buffer.concat(said).toString().trim().slice(-2_000)
      reject(new Error(`--base: "${command} ${args.join(' ')}" ${why}\n${words}`))
    }
    child.on('error', ({ message }) => end(message))
    child.on('close', (code, signal) => {
      end(code === 0 ? undefined : `ended with ${signal ?? `code ${code}`}`)
    })
  })
}

function killGroup(child: ChildProcess | undefined): void {
  if (child?.pid === undefined || child.exitCode !== null || child.signalCode !== null) return
  try {
    process.kill(-child.pid, 'SIGKILL')
  } catch {
    // It has just ended by itself.
  }
}
