import { execFileSync } from 'node:child_process'
import { readdirSync, readlinkSync } from 'node:fs'

/**
 * Lists the processes of one server: the postmaster and all its children. Children call setsid,
 * so no process group holds them; but each of them works in the data directory, which on Linux
 * also finds those whose postmaster is dead already. Elsewhere the parent ids of `ps` have to do.
 */
export function listServerProcesses(dataDirectory: string, postmaster: number): number[] {
  if (process.platform !== 'linux') return listDescendants(postmaster)
  const found: number[] = []
  for (const name of readdirSync('/proc')) {
    const pid = Number(name)
    if (Number.isInteger(pid) && workingDirectory(pid) === dataDirectory) found.push(pid)
  }
  return found
}

/** Sends a signal to a process; returns false when it is gone. */
export function signalProcess(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(pid, signal)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false
    throw error
  }
}

/** Empty for a process that is gone, a zombie, or of another user. */
function workingDirectory(pid: number): string {
  try {
    return readlinkSync(`/proc/${pid}/cwd`)
  } catch {
    return ''
  }
}

function listDescendants(root: number): number[] {
  const rows = execFileSync('ps', ['-axo', 'pid=,ppid='], { encoding: 'utf8' })
    .trim()
    .split('\n')
    .map((line) => line.trim().split(/\s+/).map(Number) as [pid: number, parent: number])
  const found = new Set(rows.some(([pid]) => pid === root) ? [root] : [])
  for (let size = -1; size !== found.size; ) {
    size = found.size
    for (const [pid, parent] of rows) if (found.has(parent)) found.add(pid)
  }
  return [...found]
}
