import { spawn, spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { startPatroni } from '@poolhouse/testkit'
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { DRIVERS } from '../support/drivers.js'
import { CHILD_FLAGS } from '../support/multiplex/child-flags.js'
import type { PartitionFigures } from './partition-script.js'

const SCRIPT = fileURLToPath(new URL('partition-script.ts', import.meta.url))
const OWN_NETWORK = ['unshare', '--net', '--mount']
const [unshare, ...flags] = OWN_NETWORK as [string, ...string[]]
/** Whether this process may have a network of its own, as root has it on Linux. */
const canCut =
  spawnSync(unshare, [...flags, 'ip', 'link', 'add', 'probe', 'type', 'bridge']).status === 0

beforeAll(async () => {
  if (!canCut) return
  // Packages are fetched now, because the network of the script's own leads nowhere.
  await using patroni = await startPatroni({ nodes: 1 })
  await patroni.leader()
}, 180_000)

describe.each(DRIVERS)('a leader that is cut off from all others, over $driver', ({ driver }) => {
  it('F16, S60: is given up by silence alone, and its late return reaches no call', async ({
    skip,
  }) => {
    skip(!canCut, 'no right to make a network namespace (unshare --net --mount, as root on Linux)')
    const figures = await run(driver)
    expect(figures.violations).toEqual([])
    // Eight writers were at work; a call that met the silence once goes to another server the next
    // time.
    expect(figures.counts.unknown + figures.counts.notExecuted).toBeLessThanOrEqual(8)
    expect(figures.counts.unsettled).toBe(0)
    expect(figures.noticedMs).toBeLessThan(3_500)
    expect(figures.servedMs).toBeLessThan(1_500 + figures.bareMs)
    expect(figures.lentByOld).toBe(0)
    expect([...figures.states].sort()).toEqual(['primary', 'replica', 'replica'])
  }, 240_000)
})

function run(driver: string): Promise<PartitionFigures> {
  const node = [process.execPath, ...CHILD_FLAGS, SCRIPT, driver]
  const [file, ...args] = [...OWN_NETWORK, ...node]
  return new Promise((resolve, reject) => {
    const child = spawn(file!, args, { stdio: ['ignore', 'pipe', 'inherit'] })
    onTestFinished(() => void child.kill('SIGKILL'))
    let output = ''
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString()
    })
    child.once('error', reject)
    child.once('close', (code) => {
      if (code === 0) resolve(JSON.parse(output) as PartitionFigures)
      else reject(new Error(`the script ended with ${code}: ${output}`))
    })
  })
}
