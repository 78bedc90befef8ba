import { type ChildProcess, spawn } from 'node:child_process'
import type { Socket } from 'node:net'
import { reaperScript } from './reaper-script.js'

/** Everything that has to go when this process ends. Told again to a new reaper. */
const watched = new Set<string>()

let reaper: ChildProcess | undefined

/**
 * Has a directory and every server that runs in it removed when this process ends, in whatever
 * way: return from main, exception, Ctrl-C, SIGKILL. A small child process does it when its input
 * pipe closes, so no signal handler is installed here and none of the application's is disturbed.
 */
export function watchDirectory(directory: string): void {
  watched.add(directory)
  if (reaper === undefined) startReaper()
  else tell(reaper, `+${directory}\n`)
}

/** Ends the watch over a directory that its owner has removed. */
export function unwatchDirectory(directory: string): void {
  watched.delete(directory)
  if (reaper !== undefined) tell(reaper, `-${directory}\n`)
}

function startReaper(): void {
  const child = spawn(process.execPath, ['-e', reaperScript], {
    cwd: '/',
    detached: true, // its own session: the terminal's signals do not reach it
    env: { ELECTRON_RUN_AS_NODE: '1' }, // and not our NODE_OPTIONS: no debugger, no loaders
    stdio: ['pipe', 'ignore', 'ignore'],
  })
  reaper = child
  const forget = (): void => {
    if (reaper === child) reaper = undefined // the next watch starts another one
  }
  child.on('error', forget)
  child.on('exit', forget)
  child.stdin.on('error', forget) // EPIPE: it is gone, its exit event follows
  child.unref()
  ;(child.stdin as Socket).unref()
  tell(child, [...watched].map((directory) => `+${directory}\n`).join(''))
}

function tell(child: ChildProcess, lines: string): void {
  child.stdin?.write(lines)
}
