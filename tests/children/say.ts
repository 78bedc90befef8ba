import { writeSync } from 'node:fs'

/**
 * Writes a line at once and without a stream: a stream would be a resource that keeps the process
 * alive.
 */
export function say(line: string): void {
  writeSync(1, `${line}\n`)
}
