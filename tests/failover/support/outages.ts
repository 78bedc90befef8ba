import { setTimeout as pause } from 'node:timers/promises'
import { expect } from 'vitest'
import type { NamedDriver } from '../../support/drivers.js'
import { type OutageFigures, type OutageOptions, OutageSetup } from './outage-setup.js'

/** An outage, and the conditions and limits that must hold after it. */
export interface Outage {
  /** Title of the test: codes of the scenarios, and what must happen. */
  readonly title: string
  /** Name in a table of figures. */
  readonly name: string
  /** The cluster that it strikes. */
  readonly options?: OutageOptions
  /**
   * Longest time until every writer has been served, from when the promoted server took commits, in
   * milliseconds.
   */
  readonly servedWithinMs: number
  /**
   * How many writes may be in doubt or be rolled back with their transaction: those in flight on
   * lost connections.
   */
  readonly mostFailed: number
  /**
   * Causes the outage. Resolves with the time when the cluster took commits again, as a reading of
   * `performance.now()`.
   */
  strike(setup: OutageSetup): Promise<number>
}

/** Promotes `b`, waits until the pool knows, and returns when `b` took commits. */
async function promote(setup: OutageSetup): Promise<number> {
  await setup.node('b').promote()
  const takesCommitsAt = setup.firstCommitOn('b')
  await setup.untilPrimary('b')
  return await takesCommitsAt
}

/** Switches over to `b`, and returns when `b` took commits. */
async function switchOver({ cluster, node, firstCommitOn }: OutageSetup): Promise<number> {
  const moved = cluster.switchover(node('b'))
  const takesCommitsAt = firstCommitOn('b')
  await moved
  return await takesCommitsAt
}

// Section D of the scenarios.
const AFTER_KILL_MS = 500
const AFTER_SILENCE_MS = 1_500
const LONGEST_READ_GAP_MS = 1_500
const IN_FLIGHT = 6

/** The outages of section D. */
export const OUTAGES: readonly Outage[] = [
  {
    title: 'F01, S58, D2: SIGKILL of the primary and promotion',
    name: 'SIGKILL + promotion',
    servedWithinMs: AFTER_KILL_MS,
    mostFailed: IN_FLIGHT,
    async strike(setup) {
      await setup.node('a').kill()
      await setup.until(() => setup.primary.topology.current.primary === undefined, 'the loss')
      return await promote(setup)
    },
  },
  {
    title: 'F03, D3: a primary that hangs, and promotion',
    name: 'freeze + promotion',
    servedWithinMs: AFTER_SILENCE_MS,
    mostFailed: IN_FLIGHT,
    async strike(setup) {
      await setup.node('a').freeze()
      await pause(300)
      return await promote(setup)
    },
  },
  {
    title: 'F15, D3: a black hole in front of the primary, and promotion',
    name: 'black hole + promotion',
    options: { proxied: true },
    servedWithinMs: AFTER_SILENCE_MS,
    mostFailed: IN_FLIGHT,
    async strike(setup) {
      setup.proxy('a').blackHole()
      await pause(300)
      return await promote(setup)
    },
  },
  {
    title: 'F18, D3: a line that loses every packet from the primary, and promotion',
    name: 'answers lost + promotion',
    options: { proxied: true },
    servedWithinMs: AFTER_SILENCE_MS,
    mostFailed: IN_FLIGHT,
    async strike(setup) {
      setup.proxy('a').blackHole('to-client')
      await pause(300)
      return await promote(setup)
    },
  },
  {
    title: 'F13: every connection to the primary reset, its port refused, and promotion',
    name: 'RST + promotion',
    options: { proxied: true },
    servedWithinMs: AFTER_KILL_MS,
    mostFailed: IN_FLIGHT,
    async strike(setup) {
      setup.proxy('a').refuse({ existing: 'reset' })
      await pause(300)
      return await promote(setup)
    },
  },
  {
    title: 'F04, S60, S65, D5: split brain: a frozen primary wakes up writable after a promotion',
    name: 'split brain',
    // With asynchronous replication the old primary goes on acknowledging writes, which are lost.
    options: { synchronous: false },
    servedWithinMs: AFTER_SILENCE_MS,
    mostFailed: IN_FLIGHT,
    async strike(setup) {
      const a = setup.node('a')
      await a.freeze()
      await pause(300)
      const takesCommitsAt = await promote(setup)
      await setup.until(() => setup.state('a') === 'unreachable', 'a to be given up')
      const thawedAt = performance.now()
      await a.thaw()
      await setup.until(() => setup.state('a') === 'fenced', 'a to be fenced')
      await pause(1_500)
      const later = setup.operations.filter(({ invokedAt }) => invokedAt > thawedAt)
      const onOld = await setup.idsOn(a)
      expect(later.length).toBeGreaterThan(100)
      expect(later.filter(({ kind, id }) => kind !== 'read' && onOld.has(id))).toEqual([])
      return takesCommitsAt
    },
  },
  {
    title: 'F06, S56, D4: switchover() costs no call',
    name: 'switchover()',
    options: { failover: { hold: { timeoutMs: 10_000 } } },
    servedWithinMs: AFTER_KILL_MS,
    mostFailed: 0,
    async strike(setup) {
      const takesCommitsAt = await setup.primary.switchover(() => switchOver(setup))
      await setup.untilPrimary('b')
      return takesCommitsAt
    },
  },
  {
    title: 'F06, S57, D4: an unannounced switchover costs at most the calls in flight',
    name: 'switchover, unannounced',
    servedWithinMs: AFTER_KILL_MS,
    mostFailed: IN_FLIGHT,
    async strike(setup) {
      const takesCommitsAt = await switchOver(setup)
      await setup.untilPrimary('b')
      return takesCommitsAt
    },
  },
]

/**
 * Runs the outage under 6 writers and 6 readers, checks the history against section D, and returns
 * the measurements.
 */
export async function judgeOutage(outage: Outage, { make }: NamedDriver): Promise<OutageFigures> {
  await using setup = await OutageSetup.start(make(), outage.options)
  const takesCommitsAt = await outage.strike(setup)
  await pause(700)
  const { violations, ...figures } = await setup.verify(takesCommitsAt)
  expect(violations).toEqual([])
  const { counts, servedMs, longestReadGapMs } = figures
  expect(counts.unsettled).toBe(0)
  expect(counts.unknown + counts.notExecuted, setup.failures()).toBeLessThanOrEqual(
    outage.mostFailed,
  )
  // A busy machine is as slow for a client without a pool.
  const withinMs = outage.servedWithinMs + setup.bareMs
  expect(servedMs, setup.diary(takesCommitsAt)).toBeLessThan(withinMs)
  expect(longestReadGapMs).toBeLessThan(LONGEST_READ_GAP_MS + setup.bareMs)
  return figures
}
