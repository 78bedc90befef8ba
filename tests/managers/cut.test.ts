import { spawn, spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { startPgAutoFailover, startRepmgr } from '@poolhouse/testkit'
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { DRIVERS } from '../support/drivers.js'
import { CHILD_FLAGS } from '../support/multiplex/child-flags.js'
import type { CutFigures } from './cut-script.js'
import { WRITERS } from './managed-setup.js'

const SCRIPT = fileURLToPath(new URL('cut-script.ts', import.meta.url))
const OWN_NETWORK = ['unshare', '--net', '--mount']
const [unshare, ...flags] = OWN_NETWORK as [string, ...string[]]
/** Whether this process may have a network of its own, as root has it on Linux. */
const canCut =
  spawnSync(unshare, [...flags, 'ip', 'link', 'add', 'probe', 'type', 'bridge']).status === 0
const MANAGERS = {
  pg_auto_failover: () => startPgAutoFailover({ nodes: 2 }),
  repmgr: () => startRepmgr({ nodes: 2 }),
}

describe.each(Object.entries(MANAGERS))('a primary that is cut off, under %s', (manager, start) => {
  beforeAll(async () => {
    if (!canCut) return
    // Packages are fetched now, because the network of the script's own leads nowhere.
    await using cluster = await start()
    await cluster.leader()
  }, 240_000)

  for (const { driver } of DRIVERS) {
    it(`F16, S60: is replaced, and its return reaches no call, over ${driver}`, async ({
      skip,
    }) => {
      skip(
        !canCut,
        'no right to make a network namespace (unshare --net --mount, as root on Linux)',
      )
      const { counts, failures, lentByOld, states, violations } = await run(manager, driver)
      expect(violations).toEqual([])
      expect(counts.unknown + counts.notExecuted, failures).toBeLessThanOrEqual(2 * WRITERS)
      expect(counts.unsettled).toBe(0)
      expect(lentByOld).toBe(0)
      expect([...states].sort()).toEqual(['primary', 'replica', 'replica'])
    }, 300_000)
  }
})

function run(manager: string, driver: string): Promise<CutFigures> {
  const node = [process.execPath, ...CHILD_FLAGS, SCRIPT, manager, driver]
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
      if (code === 0) resolve(JSON.parse(output) as CutFigures)
      else reject(new Error(`the script ended with ${code}: ${output}`))
    })
  })
}
