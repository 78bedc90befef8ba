// Run as a process of its own, in network and mount namespaces of its own: cuts the primary of a
// real cluster off from all others, and prints as JSON what became of the work.
import { setTimeout as sleep } from 'node:timers/promises'
import { pgAutoFailover } from '@poolhouse/failover'
import { startPgAutoFailover, startRepmgr } from '@poolhouse/testkit'
import { driverNamed } from '../support/drivers.js'
import { describeFailures, ManagedSetup, promotionOf } from './managed-setup.js'

/** What the script prints. Times are in milliseconds. */
export interface CutFigures {
  /** From the promotion, by the word of PostgreSQL, until a write was answered. */
  readonly servedMs: number
  /** Connections lent by the pool of the old primary between the promotion and its return. */
  readonly lentByOld: number
  /** States of the nodes in the end, in order. */
  readonly states: readonly string[]
  readonly counts: Awaited<ReturnType<ManagedSetup<never>['verify']>>['counts']
  /** How many calls failed with each message. */
  readonly failures: string
  readonly violations: Awaited<ReturnType<ManagedSetup<never>['verify']>>['violations']
}

const [, , manager, driver] = process.argv

async function measure(): Promise<CutFigures> {
  const network = 'namespaces'
  const isFormation = manager === 'pg_auto_failover'
  const cluster = isFormation
    ? await startPgAutoFailover({ network })
    : await startRepmgr({ network })
  await using setup = new ManagedSetup(cluster)
  const source =
    'monitor' in cluster ? { discover: pgAutoFailover({ monitor: cluster.monitor }) } : {}
  const pool = await setup.connect(driverNamed(driver), source)
  const workload = setup.writeAndRead()
  await sleep(1_000)
  const old = await setup.cluster.leader()
  await setup.until(({ topology }) => topology.current.primary?.id === old.name)
  const lent = (): number =>
    pool.topology.current.nodes.find(({ id }) => id === old.name)!.pool.stats().counters.acquired
  await old.isolate()
  const promoted = await promotionOf(cluster, old)
  const promotedAt = performance.now()
  await pool.query('select pg_current_xact_id()')
  const servedMs = performance.now() - promotedAt
  await setup.until(({ topology }) => topology.current.primary?.id === promoted.name)
  const before = lent()
  await sleep(2_000)
  await old.reconnect()
  await setup.until(({ topology }) =>
    topology.current.nodes.every(({ state }) => state !== 'unreachable'),
  )
  const lentByOld = lent() - before
  if (!isFormation) {
    // repmgr stops no former primary.
    await old.crash()
    await old.start()
  }
  await cluster.healthy()
  await setup.until(({ topology }) => topology.current.replicas.length === 2)
  const states = pool.topology.current.nodes.map(({ state }) => state)
  const { counts, violations } = await setup.verify(workload)
  return { servedMs, lentByOld, states, counts, violations, failures: describeFailures(workload) }
}

try {
  process.stdout.write(`${JSON.stringify(await measure())}\n`)
} catch (error) {
  process.stderr.write(`${(error as Error).stack}\n`)
  // The workers would go on for ever.
  process.exit(1)
}
