import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { serverEnvironment } from './run-command.js'
import type { ServerUser } from './server-user.js'

/** How to run a program that goes on running. */
export interface SpawnOptions {
  /** Working directory; inside a watched temporary directory the reaper can find the process. */
  readonly cwd: string
  /** Path of the file that takes what it writes, behind what is there already. */
  readonly log: string
  /** User to run as; `undefined` is our own. */
  readonly user: ServerUser | undefined
  /** Variables on top of `serverEnvironment()`. */
  readonly env?: Readonly<Record<string, string>>
}

/** Starts a program that does not keep this process alive, and logs to a file. */
export function spawnLogged(
  file: string,
  args: readonly string[],
  { cwd, log, user, env }: SpawnOptions,
): ChildProcess {
  const output = openSync(log, 'a')
  const child = spawn(file, args, {
    cwd,
    env: { ...serverEnvironment(), ...env },
    detached: true, // a Ctrl-C in the terminal is for the application
    stdio: ['ignore', output, output],
    ...user,
  })
  closeSync(output)
  child.unref()
  return child
}
