import { spawn } from 'node:child_process'
import type { ServerUser } from './server-user.js'

/** How to run a command to its end. */
export interface RunOptions {
  /** Working directory; inside a watched temporary directory the reaper can find the process. */
  readonly cwd: string
  /** User to run as; `undefined` is our own. */
  readonly user: ServerUser | undefined
  /** Text for standard input; none when left out. */
  readonly input?: string
  /** Variables on top of `serverEnvironment()`. */
  readonly env?: Readonly<Record<string, string>>
}

/** What a command left behind. */
export interface CommandResult {
  /** Exit code, or `null` when a signal ended it. */
  readonly code: number | null
  /** Everything written to standard output. */
  readonly stdout: string
  /** Everything written to standard error. */
  readonly stderr: string
}

/**
 * The environment of the server and its tools: ours without libpq's `PG*` variables, which would
 * redirect replication, and with untranslated messages, because two of them are read by the kit.
 */
export function serverEnvironment(): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([name]) => !name.startsWith('PG'))
  return { ...Object.fromEntries(kept), LC_ALL: 'C' }
}

/** Runs a command to its end and returns what it wrote. Rejects when it cannot be started. */
export function tryCommand(
  file: string,
  args: readonly string[],
  options: RunOptions,
): Promise<CommandResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, {
      cwd: options.cwd,
      env: { ...serverEnvironment(), ...options.env },
      detached: true, // a Ctrl-C in the terminal is for the application
      ...options.user,
    })
    let stdout = ''
    let stderr = ''
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      stdout += chunk
    })
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
      stderr += chunk
    })
    child.stdin.on('error', () => undefined) // EPIPE: the exit code tells what happened
    child.on('error', reject)
    child.on('close', (code) => resolve({ code, stdout, stderr }))
    child.stdin.end(options.input ?? '')
  })
}

/** Runs a command to its end. Rejects with its error output when it fails. */
export async function runCommand(
  file: string,
  args: readonly string[],
  options: RunOptions,
): Promise<string> {
  const { code, stdout, stderr } = await tryCommand(file, args, options)
  if (code !== 0) throw new Error(`${file} failed with exit code ${code}: ${stderr || stdout}`)
  return stdout
}
