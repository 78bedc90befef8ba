// Run as a process of its own, by the Node.js of the corner: asks one corner over one driver, and
// writes what it found out into a file after each answer, so that a run that is cut off keeps them.
import { writeFile } from 'node:fs/promises'
import { driverNamed } from '../support/drivers.js'
import { type Check, cancel, cleaning, copy, listen, parameters, shown } from './checks.js'
import { failover, replicas } from './cluster-checks.js'
import { conformance } from './conformance.js'
import { CORNERS } from './corners.js'
import { ASPECTS, type Aspect, type Finding } from './finding.js'
import { knownDifferences } from './known-differences.js'
import type { RunResult } from './results-file.js'

const CHECKS: Readonly<Record<Exclude<Aspect, 'driver' | 'pool'>, Check>> = {
  cleaning,
  cancel,
  copy,
  listen,
  parameters,
  replicas,
  failover,
}

const [, , name, driver, aspects, file] = process.argv as string[]
const corner = CORNERS.find((each) => each.name === name)!
const make = () => driverNamed(driver)
const tell = (line: string): void => void process.stdout.write(`${line}\n`)

const findings: Partial<Record<Aspect, Finding>> = {}
let ground = await corner.start()
for (const aspect of ASPECTS.filter((each) => aspects!.split(',').includes(each))) {
  const begunAt = performance.now()
  let hasFailed = false
  findings[aspect] = await ask(aspect).catch((error: Error): Finding => {
    tell(`${name}, ${driver}, ${aspect}: ${error.stack}`)
    hasFailed = true
    const reason = corner.limits?.[aspect]
    return reason === undefined ? { is: 'fails', what: shown(error) } : { is: 'limit', reason }
  })
  const seconds = ((performance.now() - begunAt) / 1_000).toFixed(1)
  tell(`${name}, ${driver}, ${aspect}: ${findings[aspect].is} (${seconds} s)`)
  const result: RunResult = { versions: ground.versions, findings }
  await writeFile(file!, JSON.stringify(result))
  if (!hasFailed) continue
  // What failed may have left the servers in any state.
  await ground[Symbol.asyncDispose]()
  ground = await corner.start()
}
await ground[Symbol.asyncDispose]()

async function ask(aspect: Aspect): Promise<Finding> {
  const reason = corner.notRun?.[aspect]
  if (reason !== undefined) return { is: 'not run', reason }
  if (aspect === 'driver' || aspect === 'pool') {
    return await conformance(aspect, ground, make, knownDifferences(corner.name), tell)
  }
  return await CHECKS[aspect](ground, make)
}
