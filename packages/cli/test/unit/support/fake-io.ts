import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { runCli } from '../../../src/index.js'

/** How a run ended, and what it printed. */
export interface Ran {
  readonly exitCode: number
  readonly stdout: string
  readonly stderr: string
}

/** A folder that is removed when the test is over. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'poolhouse-cli-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** Runs the command line in a folder, with these variables only. */
export async function run(
  argv: readonly string[],
  {
    cwd = temporaryFolder(),
    env = {},
    isTTY = false,
  }: { cwd?: string; env?: Record<string, string>; isTTY?: boolean } = {},
): Promise<Ran> {
  const printed = { stdout: '', stderr: '' }
  const exitCode = await runCli(argv, {
    stdout: {
      isTTY,
      write: (text) => {
        printed.stdout += text
      },
    },
    stderr: {
      write: (text) => {
        printed.stderr += text
      },
    },
    env,
    cwd,
  })
  return { exitCode, ...printed }
}
