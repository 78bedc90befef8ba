import { type ChildProcess, spawn } from 'node:child_process'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { onTestFailed, onTestFinished } from 'vitest'
import { CHILD_FLAGS } from '../support/multiplex/child-flags.js'
import { until } from '../support/until.js'

/** A script of this folder, running as a process of its own. */
export interface ChildScript {
  /** Its process. */
  readonly process: ChildProcess
  /** What it said so far, one line each. */
  readonly lines: readonly string[]
  /** What it wrote to its error output so far, in lines; passed on when the test fails. */
  readonly errors: readonly string[]
  /** Resolves with the first line that begins so; rejects if the process ends without it. */
  said(beginning: string): Promise<string>
  /** How it ended: its exit code, or the signal that ended it. */
  readonly ended: Promise<number | NodeJS.Signals>
}

/** Starts `<name>.ts` beside this file. It is killed when the test is over, if it still runs. */
export function startChild(
  name: string,
  args: readonly string[],
  flags: readonly string[] = [],
): ChildScript {
  const script = fileURLToPath(new URL(`${name}.ts`, import.meta.url))
  const child = spawn(process.execPath, [...flags, ...CHILD_FLAGS, script, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let over = false
  const lines = linesOf(child.stdout)
  const errors = linesOf(child.stderr)
  onTestFailed(() => void process.stderr.write(`${name}: ${errors.join('\n')}\n`))
  const ended = new Promise<number | NodeJS.Signals>((resolve) => {
    child.once('close', (code, signal) => {
      over = true
      resolve(code ?? signal!)
    })
  })
  onTestFinished(async () => {
    child.kill('SIGKILL')
    await ended
  })
  return {
    process: child,
    lines,
    errors,
    ended,
    async said(beginning) {
      const find = (): string | undefined => lines.find((line) => line.startsWith(beginning))
      await until(() => over || find() !== undefined, `"${beginning}" from ${name}`)
      const line = find()
      if (line === undefined) throw new Error(`${name} ended without "${beginning}": ${lines}`)
      return line
    },
  }
}

/** The lines of a stream, as they come. */
function linesOf(stream: Readable): string[] {
  const lines: string[] = []
  let rest = ''
  stream.setEncoding('utf8').on('data', (chunk: string) => {
    const parts = (rest + chunk).split('\n')
    rest = parts.pop()!
    lines.push(...parts)
  })
  return lines
}
