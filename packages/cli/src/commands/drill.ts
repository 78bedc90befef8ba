import { createRequire } from 'node:module'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { createPool, type Pool } from '@poolhouse/core'
import { withFailover } from '@poolhouse/failover'
import { nodePostgres } from '@poolhouse/node-postgres'
import { type ReplicaSession, withReplicas } from '@poolhouse/read-replicas'
import { type Outcome, UsageError } from '../outcome.js'
import { showMs } from '../output/show.js'
import type { CommandContext } from './command.js'

type Testkit = typeof import('@poolhouse/testkit')

/** Options of `drill`. */
export interface DrillOptions {
  /** Streaming replicas of the cluster. */
  readonly replicas: number
}

/** How long the load runs before the primary is killed, and after another was promoted. */
const CALM_MS = 1_500

/**
 * Starts a throw-away cluster, kills its primary under load, promotes a replica, and compares what
 * the callers were told with what the tables hold. Exit code 1 if any promise was broken.
 */
export async function drill(
  { say, colors, signal, io }: CommandContext,
  { replicas }: DrillOptions,
): Promise<Outcome> {
  const kit = await loadTestkit(io.cwd)
  const began = performance.now()
  const tell = (text: string): void => {
    say(`${colors.dim(`${((performance.now() - began) / 1_000).toFixed(1)} s`)}  ${text}\n`)
  }
  const pause = (): Promise<void> => sleep(CALM_MS, undefined, { signal })
  tell(`starting a primary and ${replicas} synchronous replicas`)
  await using cluster = await kit.startCluster({ replicas, synchronous: true })
  signal.throwIfAborted()
  const nodes = cluster.nodes.map(({ url, name }) =>
    createPool({ driver: nodePostgres(), connection: url, name }),
  )
  const primary = withFailover(nodes)
  await using db = withReplicas(primary, primary.topology)
  for (const statement of kit.historyTable()) await db.query(statement)
  await db.ready()
  const sessions = new Map<number, ReplicaSession>()
  const sessionOf = (worker: number): ReplicaSession => {
    const session = sessions.get(worker) ?? db.session()
    sessions.set(worker, session)
    return session
  }
  const reads = (worker: number): Pool => sessionOf(worker).reader()
  const workload = kit.startWorkload({ writes: sessionOf, reads })
  try {
    tell('six callers write, and read what they wrote')
    await pause()
    const former = cluster.primary
    tell(`${former.name} is killed (SIGKILL): there is no primary`)
    const killedAt = performance.now()
    await former.kill()
    const promoted = await cluster.failover()
    const outageMs = promoted.promotedAt! - killedAt
    tell(`${promoted.name} was promoted, ${showMs(outageMs)} after the kill`)
    await pause()
    const history = await workload.stop()
    const report = await kit.verifyHistory(history, {
      db,
      pools: [db],
      reads: ['read-your-writes', 'monotonic-reads'],
    })
    const { counts, violations, longestWriteGapMs } = report
    const isKept = violations.length === 0
    return {
      exitCode: isKept ? 0 : 1,
      document: { outageMs, ...report },
      text: [
        `acknowledged ${counts.acknowledged}, failed and not done ${counts.notExecuted}, in doubt ${counts.unknown}`,
        `longest time without a write: ${showMs(longestWriteGapMs)}, of which no primary was there for ${showMs(outageMs)}`,
        isKept
          ? colors.green('no acknowledged write is lost or doubled, and no caller waited in vain')
          : colors.red('promises were broken:'),
        ...violations.map(({ kind, who, detail }) => `  ${kind} ${who}: ${detail}`),
      ].join('\n'),
    }
  } finally {
    await workload.stop(0)
  }
}

/** Loads the testkit, ours or the project's. It brings PostgreSQL, so it is not a dependency. */
async function loadTestkit(cwd: string): Promise<Testkit> {
  try {
    return await import('@poolhouse/testkit')
  } catch (error) {
    // Where it is not beside us, it may be among the packages of the project.
    if ((error as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') throw error
  }
  try {
    const path = createRequire(join(cwd, 'poolhouse.config.js')).resolve('@poolhouse/testkit')
    return (await import(pathToFileURL(path).href)) as Testkit
  } catch (cause) {
    throw new UsageError(
      'drill needs @poolhouse/testkit, which brings PostgreSQL: npm install --save-dev @poolhouse/testkit',
      { cause },
    )
  }
}
