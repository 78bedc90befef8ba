import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { startWireServer } from '@poolhouse/testkit'
import { describe, expect } from 'vitest'
import { CHILD_FLAGS } from '../../support/multiplex/child-flags.js'
import { scenario } from '../../support/scenario.js'

const SCRIPT = fileURLToPath(new URL('../support/lone-call.ts', import.meta.url))
const UNREACHABLE = 'postgres://wire@127.0.0.1:1/wire'

describe('a process with a failover pool that is never closed', () => {
  for (const mood of ['up', 'refusing', 'frozen'] as const) {
    scenario(
      `ends by itself after its last call while the other node is ${mood}`,
      async ({ driver }) => {
        await using primary = await startWireServer()
        await using other = await startWireServer()
        other.setRole('replica')
        if (mood === 'frozen') other.hang()
        const urls = [primary.url, mood === 'refusing' ? UNREACHABLE : other.url]
        expect(await run(driver, urls)).toEqual({ output: 'served by n0', code: 0 })
      },
    )
  }

  scenario('lives while a call is held, and ends after that', async ({ driver }) => {
    expect(await run(driver, [UNREACHABLE])).toEqual({ output: 'NoPrimaryError', code: 0 })
  })
})

/** Longest time to load the sources, on a busy machine. */
const STARTED_MS = 30_000
/** Longest time to end after the last call. */
const ENDED_MS = 5_000

/**
 * Runs the script; `code` is null if it had to be killed because it did not end after its last
 * call.
 */
function run(
  driver: string,
  urls: readonly string[],
): Promise<{ output: string; code: number | null }> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [...CHILD_FLAGS, SCRIPT, driver, ...urls], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let output = ''
    const kill = (): void => void child.kill('SIGKILL')
    let timer = setTimeout(kill, STARTED_MS)
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString()
      clearTimeout(timer)
      timer = setTimeout(kill, ENDED_MS)
    })
    child.once('error', reject)
    child.once('close', (code) => {
      clearTimeout(timer)
      resolve({ output, code })
    })
  })
}
