// Run as a process of its own, in network and mount namespaces of its own: cuts the leader of a
// real Patroni cluster off from all others, and prints as JSON what became of the work.
import { setTimeout as sleep } from 'node:timers/promises'
import { bareCommit, promotionOf } from '../managers/managed-setup.js'
import { Stopwatch } from '../support/clocks/stopwatch.js'
import { driverNamed } from '../support/drivers.js'
import { PatroniSetup } from './patroni-setup.js'

/** What the script prints. Times are in milliseconds. */
export interface PartitionFigures {
  /** From the cut until the pool had no primary. */
  readonly noticedMs: number
  /** From the promotion, by the word of PostgreSQL, until a write was answered. */
  readonly servedMs: number
  /** What a commit without any pool took at the same time. */
  readonly bareMs: number
  /** Connections lent by the pool of the old leader between the promotion and its return. */
  readonly lentByOld: number
  /** States of the nodes in the end, in order of their names. */
  readonly states: readonly (string | undefined)[]
  readonly counts: Awaited<ReturnType<PatroniSetup['verify']>>['counts']
  readonly violations: Awaited<ReturnType<PatroniSetup['verify']>>['violations']
}

const [, , driver] = process.argv

async function measure(): Promise<PartitionFigures> {
  await using setup = await PatroniSetup.start({ network: 'namespaces' })
  const pool = await setup.connect(driverNamed(driver))
  const workload = setup.write()
  await sleep(1_000)
  const old = await setup.patroni.leader()
  await setup.until(({ topology }) => topology.current.primary?.id === old.name)
  const oldPool = pool.topology.current.nodes.find(({ id }) => id === old.name)!.pool
  using watch = new Stopwatch()
  await old.isolate()
  await setup.until(({ topology }) => topology.current.primary === undefined)
  const noticedMs = watch.elapsedMs
  const promoted = await promotionOf(setup.patroni, old)
  const promotedAt = performance.now()
  const bare = bareCommit(promoted)
  await pool.query('select pg_current_xact_id()')
  const servedMs = performance.now() - promotedAt
  const bareMs = await bare
  await setup.until(({ topology }) => topology.current.primary?.id === promoted.name)
  const lent = oldPool.stats().counters.acquired
  await sleep(2_000)
  await old.reconnect()
  await setup.until(
    ({ topology }) => topology.current.nodes.every(({ state }) => state !== 'unreachable'),
    90_000,
  )
  const lentByOld = oldPool.stats().counters.acquired - lent
  await setup.patroni.healthy()
  await setup.until(({ topology }) => topology.current.replicas.length === 2)
  const states = pool.topology.current.nodes.map(({ state }) => state)
  const { counts, violations } = await setup.verify(workload)
  return { noticedMs, servedMs, bareMs, lentByOld, states, counts, violations }
}

try {
  process.stdout.write(`${JSON.stringify(await measure())}\n`)
} catch (error) {
  process.stderr.write(`${(error as Error).stack}\n`)
  // The workers would go on for ever.
  process.exit(1)
}
