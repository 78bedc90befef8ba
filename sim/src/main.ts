import { parseArgs } from 'node:util'
import { boundsOf, isKept } from './fleet/fleet-bounds.js'
import { FLEET, type FleetModel } from './fleet/fleet-model.js'
import { runFleet } from './fleet/run-fleet.js'

const MEGABYTE = 2 ** 20
const MOST_SECONDS = 60
const MOST_MEGABYTES = 2_048

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { processes: { type: 'string' }, seed: { type: 'string' } },
})
if (positionals[0] !== 'fleet' || positionals.length > 1) {
  console.error('usage: pnpm sim fleet [--processes N] [--seed N]')
  process.exit(2)
}

const processes = Number(values.processes ?? FLEET.processes)
const model: FleetModel = { ...FLEET, processes, seed: Number(values.seed ?? FLEET.seed) }
// Thousands of refused connects, whose stacks are never read.
Error.stackTraceLimit = 0
const startedAt = performance.now()
let peakBytes = 0
const report = await runFleet(model, (what) => {
  peakBytes = Math.max(peakBytes, process.memoryUsage.rss())
  console.log(`${((performance.now() - startedAt) / 1_000).toFixed(1).padStart(6)} s  ${what}`)
})
const seconds = process.cpuUsage().user / 1e6 + process.cpuUsage().system / 1e6
const megabytes = Math.max(peakBytes, process.resourceUsage().maxRSS * 1_024) / MEGABYTE
const bounds = [
  ...boundsOf(report),
  { what: 'CPU of this run', seen: seconds, most: MOST_SECONDS, unit: 's' },
  { what: 'memory of this run', seen: megabytes, most: MOST_MEGABYTES, unit: 'MB' },
]
console.log(
  `\nseed ${model.seed}: ${model.processes} processes, ${report.warm} of them warm at the new primary, ${report.coldConnections} connections cold, ${report.calls} calls\n`,
)
for (const bound of bounds) {
  const { what, seen, most, unit } = bound
  const number = (value: number): string => (value < 100 ? value.toFixed(1) : value.toFixed(0))
  const figures = `${number(seen).padStart(8)} of ${number(most).padStart(6)} ${unit.padEnd(2)}`
  console.log(`${isKept(bound) ? 'kept  ' : 'BROKEN'} ${figures} ${what}`)
}
console.log(`\nthe last process wrote ${report.lastWroteMs.toFixed(0)} ms after the promotion`)
const failed = Object.entries(report.failures)
console.log(
  failed.length === 0 ? 'no call failed' : `calls that failed: ${JSON.stringify(report.failures)}`,
)
process.exitCode = bounds.every(isKept) ? 0 : 1
