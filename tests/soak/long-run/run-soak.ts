import { setTimeout as sleep } from 'node:timers/promises'
import type { DriverName } from '../../support/driver-names.js'
import { driverNamed } from '../../support/drivers.js'
import { ClientClock } from './client-clock.js'
import { FAULTS, type FaultContext, repair, stepsOf } from './faults.js'
import { GAUGES, type Gauges, readGauges, slopesOf } from './gauges.js'
import { type LoadReport, startLoad } from './load.js'
import { Seeded } from './seeded.js'
import { StoodStillError, within } from './within.js'
import { emptyTables, startWorld, type World } from './world.js'

/** What to run. */
export interface SoakOptions {
  readonly minutes: number
  readonly seed: number
  readonly driver: DriverName
  /** Names of the faults that may strike. Default: all. */
  readonly faults: readonly string[] | undefined
}

const STRIKING_MS = 45_000
const HEALTHY_MS = 60_000
const ANSWER_MS = 40_000
/** The first rounds fill caches and pools, and compile. */
const WARM_UP_ROUNDS = 3
const MOST_SHOWN = 10

/** Runs it in rounds of some 50 s, a line for each. True if nothing was wrong and nothing grew. */
export async function runSoak({ minutes, seed, driver, faults }: SoakOptions): Promise<boolean> {
  const draw = new Seeded(seed)
  const names = faults ?? Object.keys(FAULTS)
  for (const name of names) {
    if (FAULTS[name] === undefined)
      throw new RangeError(`no fault "${name}"; there are ${Object.keys(FAULTS).join('; ')}`)
  }
  console.log(`soak over ${driver}, seed ${seed}, ${minutes} minutes`)
  const world = await startWorld(driverNamed(driver), Math.random)
  const signal = new AbortController().signal
  const clock = new ClientClock()
  const readings: { at: number; gauges: Gauges }[] = []
  const totals = {
    checked: 0,
    acknowledged: 0,
    lookups: 0,
    notExecuted: 0,
    unknown: 0,
    violations: 0,
    struck: 0,
  }
  const begunAt = performance.now()
  try {
    for (let round = 1; performance.now() - begunAt < minutes * 60_000; round++) {
      const { report, struck } = await strikeUnderLoad(
        { world, draw, clock },
        names,
        begunAt,
        signal,
      )
      // Nothing is under way. A connection that the line has forgotten keeps its sockets in this
      // process, and its transaction on the server, for as long as neither side hears of an end.
      for (const line of world.allLines) await within(ANSWER_MS, 'a line to be healed', line.heal())
      await sleep(500)
      const gauges = readGauges(signal)
      readings.push({ at: (performance.now() - begunAt) / 3_600_000, gauges })
      printRound(round, report, gauges, struck)
      for (const key of ['checked', 'acknowledged', 'lookups', 'notExecuted', 'unknown'] as const)
        totals[key] += report[key]
      totals.violations += report.violations.length
      totals.struck += struck.length
    }
  } finally {
    await world.stop()
  }
  const warmUp = Math.min(WARM_UP_ROUNDS, readings.length - 1)
  const slopes = slopesOf(readings.slice(warmUp))
  for (const { gauge, first, last, perHour, isFlat } of slopes) {
    const unit = gauge === 'heap' ? ' MB' : ''
    console.log(
      `${gauge}: ${first.toFixed(1)} → ${last.toFixed(1)}${unit}, ${perHour.toFixed(1)}${unit} per hour after ${warmUp} rounds of warm-up, ${isFlat ? 'flat' : 'GROWS'}`,
    )
  }
  const seconds = Math.round((performance.now() - begunAt) / 1_000)
  console.log(
    `${driver}, seed ${seed}, ${seconds} s: ${totals.checked} calls checked, ${totals.acknowledged} of them acknowledged, and ${totals.lookups} lookups answered, ${totals.notExecuted} failed, ${totals.unknown} in doubt, ${totals.violations} wrong, ${totals.struck} faults`,
  )
  return totals.violations === 0 && slopes.every(({ isFlat }) => isFlat)
}

/**
 * One round: faults under load, until all is healthy again. The load's history, a few hundred bytes
 * a call, can be collected after it, so that the gauges do not count it.
 */
async function strikeUnderLoad(
  context: Omit<FaultContext, 'step'>,
  names: readonly string[],
  begunAt: number,
  signal: AbortSignal,
): Promise<{ report: LoadReport; struck: readonly string[] }> {
  const { world, draw } = context
  const endsAt = performance.now() + STRIKING_MS
  await emptyTables(world)
  const load = startLoad(world, signal)
  const struck: string[] = []
  while (performance.now() < endsAt) {
    await sleep(draw.between(200, 3_000))
    const name = draw.of(names)
    const at = Math.round((performance.now() - begunAt) / 1_000)
    struck.push(`${name} ${await strike(name, context)} (${at} s)`)
  }
  await untilHealthy(world, struck)
  await sleep(500)
  return { report: await load.stop(), struck }
}

/** Strikes; where a step of the fault fails itself, such as a clone on a busy machine, repairs. */
async function strike(name: string, context: Omit<FaultContext, 'step'>): Promise<string> {
  const step = stepsOf(name)
  try {
    return await FAULTS[name]!({ ...context, step })
  } catch (error) {
    // Its step may still go on, and would undo what a repair does.
    if (error instanceof StoodStillError) throw error
    const why = error instanceof Error ? error.message.split('\n', 1)[0] : String(error)
    await repair(context.world, stepsOf(`repair after ${name}`))
    return `not to its end: ${why}`
  }
}

/** Until each database writes, and the replicas follow. `struck` are the faults, for the error. */
async function untilHealthy(world: World, struck: readonly string[]): Promise<void> {
  const { app, manager } = world
  const deadline = performance.now() + HEALTHY_MS
  for (;;) {
    const text = "select from pg_stat_replication where state = 'streaming'"
    const streaming = await within(
      ANSWER_MS,
      'an answer of app',
      app.primary.sql(text).catch(() => []),
    )
    const { ready, degraded, reasons } = manager.health()
    if (streaming.length === 2 && ready && !degraded) return
    if (performance.now() > deadline) {
      throw new Error(
        `not healthy ${HEALTHY_MS} ms after the last fault: ${reasons.join('; ')}; ${await serversSay(world)}; struck by ${struck.join(', ')}`,
      )
    }
    await sleep(50)
  }
}

/** What each server answers without the manager, or that it does not: whose fault it is. */
async function serversSay({ app, analytics, queue }: World): Promise<string> {
  const text = 'select pg_is_in_recovery() as recovery'
  const said = [app, analytics, queue].flatMap(({ nodes }) =>
    nodes.map(async (node) => {
      const answer = within(ANSWER_MS, 'an answer', node.sql<{ recovery: boolean }>(text))
      return await answer.then(
        ([row]) => `${node.port} is ${row!.recovery ? 'a replica' : 'a primary'}`,
        (error: Error) =>
          `${node.port} says ${(error.cause as Error | undefined)?.message ?? error.message}`,
      )
    }),
  )
  return (await Promise.all(said)).join(', ')
}

function printRound(
  round: number,
  report: LoadReport,
  gauges: Gauges,
  struck: readonly string[],
): void {
  const { checked, lookups, notExecuted, unknown, violations, longestWriteGapMs } = report
  const values = GAUGES.map(
    (gauge) => `${gauge} ${gauges[gauge].toFixed(gauge === 'heap' ? 1 : 0)}`,
  )
  console.log(
    `round ${round}: ${checked} calls checked, ${lookups} lookups answered, ${notExecuted} failed, ${unknown} in doubt, ${violations.length} wrong, longest gap ${Math.round(longestWriteGapMs)} ms; ${values.join(', ')}; ${struck.join(', ')}`,
  )
  for (const { part, kind, who, detail } of violations.slice(0, MOST_SHOWN)) {
    console.log(`  WRONG ${part}: ${kind} ${who}: ${detail}`)
  }
}
