import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { afterAll, onTestFinished } from 'vitest'
import { CHILD_FLAGS } from '../support/multiplex/child-flags.js'

/** How a run of the command line ended, and what it printed. */
interface Ran {
  readonly exitCode: number | NodeJS.Signals
  readonly stdout: string
  readonly stderr: string
}

/** A run that goes on. */
export interface Running {
  readonly process: ChildProcess
  /** What it has written to stdout so far. */
  readonly stdout: () => string
  readonly ended: Promise<Ran>
}

/** Where and with what a run begins. */
export interface RunOptions {
  /** Default: a folder without packages and configuration. */
  readonly cwd?: string
  /** Variables beside PATH. Default: none. */
  readonly env?: Readonly<Record<string, string>>
}

/** The command line as processes of its own. */
export interface Cli {
  /** Runs it to its end. */
  run(argv: readonly string[], options?: RunOptions): Promise<Ran>
  /** Starts it. It is killed when the test is over, if it still runs. */
  start(argv: readonly string[], options?: RunOptions): Running
  /** Starts `script` in a shell, where `"$POOLHOUSE"` is the command line. */
  shell(script: string, options?: RunOptions): Running
  /** A new folder, which is removed with all others after the last test of the file. */
  folder(): Promise<string>
}

// Where the loader of TypeScript is found.
const TESTS = fileURLToPath(new URL('..', import.meta.url))
const BIN = fileURLToPath(new URL('../../packages/cli/src/bin.ts', import.meta.url))

/**
 * The command line: the sources in one file, which starts ten times faster than they do, made when
 * it is first needed and gone after the last test of the file; or the sources as they are, which
 * the dashboard needs.
 */
export function testCli(as: 'one file' | 'sources' = 'one file'): Cli {
  let home: Promise<string> | undefined
  const root = (): Promise<string> => {
    home ??= as === 'sources' ? emptyHome() : bundle()
    return home
  }
  afterAll(async () => {
    if (home !== undefined) await rm(await home, { recursive: true, force: true })
  })
  const folder = async (): Promise<string> => await mkdtemp(join(await root(), 'run-'))
  const start = (
    command: (bin: string) => readonly [string, readonly string[]],
    { cwd, env = {} }: RunOptions,
  ): Running => {
    let stdout = ''
    let stderr = ''
    let child: ChildProcess | undefined
    const ended = root().then(async (home) => {
      const bin = join(home, 'bin.cjs')
      const [file, args] = command(bin)
      child = spawn(file, args, {
        cwd: cwd ?? (as === 'sources' ? TESTS : await folder()),
        env: { PATH: process.env['PATH'], POOLHOUSE: `${process.execPath} ${bin}`, ...env },
        stdio: ['ignore', 'pipe', 'pipe'],
      })
      child.stdout!.setEncoding('utf8').on('data', (text: string) => {
        stdout += text
      })
      child.stderr!.setEncoding('utf8').on('data', (text: string) => {
        stderr += text
      })
      return await new Promise<Ran>((resolve) => {
        child!.once('close', (code, signal) =>
          resolve({ exitCode: code ?? signal!, stdout, stderr }),
        )
      })
    })
    onTestFinished(async () => {
      child?.kill('SIGKILL')
      await ended
    })
    return {
      get process() {
        return child!
      },
      stdout: () => stdout,
      ended,
    }
  }
  const direct = (argv: readonly string[], options: RunOptions = {}): Running =>
    start(
      (bin) => [process.execPath, [...(as === 'sources' ? [...CHILD_FLAGS, BIN] : [bin]), ...argv]],
      options,
    )
  return {
    start: direct,
    run: (argv, options) => direct(argv, options).ended,
    shell: (script, options = {}) => start(() => ['/bin/sh', ['-c', script]], options),
    folder,
  }
}

function emptyHome(): Promise<string> {
  return mkdtemp(join(tmpdir(), 'poolhouse-cli-'))
}

async function bundle(): Promise<string> {
  const home = await emptyHome()
  await build({
    entryPoints: [BIN],
    outfile: join(home, 'bin.cjs'),
    bundle: true,
    platform: 'node',
    target: 'node20',
    format: 'cjs',
    conditions: ['@poolhouse/source'],
    // What looks for files beside its own, and libpq.
    external: ['@poolhouse/testkit', '@poolhouse/dashboard', 'pg-native'],
    define: { 'import.meta.url': 'importMetaUrl' },
    banner: { js: "const importMetaUrl = require('node:url').pathToFileURL(__filename).href" },
    logLevel: 'error',
  })
  return home
}
