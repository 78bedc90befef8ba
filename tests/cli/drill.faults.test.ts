import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'
import { CHILD_FLAGS } from '../support/multiplex/child-flags.js'

const BIN = fileURLToPath(new URL('../../packages/cli/src/bin.ts', import.meta.url))
const run = promisify(execFile)

it('a drill kills a primary under load, and finds every promise kept', async () => {
  const args = [...CHILD_FLAGS, BIN, 'drill', '--json']
  const { stdout, stderr } = await run(process.execPath, args)
  expect(stderr).toBe('')
  const report = JSON.parse(stdout) as { counts: { acknowledged: number; unsettled: number } }
  expect(report).toMatchObject({ ok: true, command: 'drill', exitCode: 0, violations: [] })
  expect(report.counts.acknowledged).toBeGreaterThan(50)
  expect(report.counts.unsettled).toBe(0)
})
