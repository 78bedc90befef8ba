import { virtualClock } from '@poolhouse/core/testing'
import type { FleetModel } from './fleet-model.js'
import { FleetProcess } from './fleet-process.js'
import { FleetServer } from './fleet-server.js'

/** What was seen of one run. */
export interface FleetReport {
  readonly model: FleetModel
  /**
   * Processes that had all the connections to the new primary that they write on when it was
   * promoted.
   */
  readonly warm: number
  /** Connections to the new primary that the others needed. */
  readonly coldConnections: number
  /** Most log-ins in any second at the new primary, from the loss of the old one to the end. */
  readonly logInsAtNewPrimary: number
  /** The same at the other standby. */
  readonly logInsAtStandby: number
  /**
   * From the promotion until 99 % of the warm processes had written; `Infinity` if they have not.
   */
  readonly warmWroteMs: number
  /** From the promotion until 99 % of all had written. */
  readonly allWroteMs: number
  /** From the promotion until the last had written. */
  readonly lastWroteMs: number
  /** Probes and censuses in a second at each server while nothing happened. */
  readonly probesPerSecond: Readonly<Record<string, number>>
  /** Most connections at each server at one time. */
  readonly peaks: Readonly<Record<string, number>>
  /** Log-ins that a server refused because it was full. */
  readonly refusals: number
  /** Calls that succeeded. */
  readonly calls: number
  /** Calls that failed, by what they said. */
  readonly failures: Readonly<Record<string, number>>
  /** What any process still did after it was stopped; 0 if all is over. */
  readonly sessionsLeft: number
}

const HOSTS = ['10.0.0.1', '10.0.0.2', '10.0.0.3'] as const

/**
 * Runs a fleet: starts it, lets it be, kills the primary, promotes a standby and looks on. `tell`
 * hears how far it is.
 */
export async function runFleet(
  model: FleetModel,
  tell: (what: string) => void = () => {},
): Promise<FleetReport> {
  const clock = virtualClock()
  const servers = new Map(
    HOSTS.map((host, index) => [host, new FleetServer(host, index > 0, clock, model)] as const),
  )
  const [first, second, third] = HOSTS.map((host) => servers.get(host)!) as [
    FleetServer,
    FleetServer,
    FleetServer,
  ]
  const fleet: FleetProcess[] = []
  for (let index = 0; index < model.processes; index++) {
    const process = new FleetProcess(index, model, clock, servers)
    fleet.push(process)
    process.run()
    await clock.advance(model.startMs / model.processes)
  }
  for (const server of servers.values()) server.takesTime = true
  tell(`${fleet.length} processes run`)
  await clock.advance(model.calmMs / 3)
  const calmFrom = clock.now()
  await clock.advance(model.calmMs - model.calmMs / 3)
  const diedAt = clock.now()
  tell('the primary dies')
  first.kill()
  await clock.advance(model.promotionMs)
  const promotedAt = clock.now()
  const warm = new Set(fleet.filter((each) => each.missingAt(second.host) === 0))
  const coldConnections = fleet.reduce((sum, each) => sum + each.missingAt(second.host), 0)
  second.promote()
  for (const process of fleet) process.look()
  tell(`a standby was promoted; ${warm.size} processes have a connection there`)
  await clock.advance(model.afterMs)
  const endedAt = clock.now()
  tell('all is over')
  const wroteAfter = (part: Iterable<FleetProcess>): number[] =>
    [...part]
      .map(({ wroteAt = Number.POSITIVE_INFINITY }) => wroteAt - promotedAt)
      .sort((a, b) => a - b)
  const all = wroteAfter(fleet)
  const failures: Record<string, number> = {}
  for (const process of fleet) {
    for (const [what, count] of process.failures) failures[what] = (failures[what] ?? 0) + count
  }
  const calls = fleet.reduce((sum, process) => sum + process.calls, 0)
  const perSecond = (server: FleetServer): number =>
    server.probes.within(calmFrom, diedAt) / ((diedAt - calmFrom) / 1_000)
  const ends = Promise.all(fleet.map((process) => process.stop()))
  await clock.advance(2_000)
  await ends
  const all3 = [...servers.values()]
  return {
    model,
    warm: warm.size,
    coldConnections,
    logInsAtNewPrimary: second.logIns.mostInASecond(diedAt, endedAt),
    logInsAtStandby: third.logIns.mostInASecond(diedAt, endedAt),
    warmWroteMs: quantile(wroteAfter(warm)),
    allWroteMs: quantile(all),
    lastWroteMs: all.at(-1)!,
    probesPerSecond: Object.fromEntries(all3.map((each) => [each.host, perSecond(each)])),
    peaks: Object.fromEntries(all3.map(({ host, peak }) => [host, peak])),
    refusals: all3.reduce((sum, { refusals }) => sum + refusals, 0),
    calls,
    failures,
    sessionsLeft: all3.reduce((sum, { sessions }) => sum + sessions, 0),
  }
}

/** The time within which 99 % were done. */
function quantile(sorted: readonly number[]): number {
  if (sorted.length === 0) return 0
  return sorted[Math.ceil(0.99 * sorted.length) - 1]!
}
