import { type ConnectionPool, createPool, type Driver } from '@poolhouse/core'
import {
  type DiscoveredNode,
  type Discovery,
  type FailoverPool,
  withFailover,
} from '@poolhouse/failover'
import { withReplicas } from '@poolhouse/read-replicas'
import {
  type HistoryReport,
  historyTable,
  type ManagedCluster,
  type ManagedNode,
  startWorkload,
  verifyHistory,
  type Workload,
} from '@poolhouse/testkit'

/** Workers that keep up some 200 writes a second between them. */
export const WRITERS = 8
const PAUSE_MS = 30

/** How the pool of a test follows its cluster. */
export interface FollowOptions {
  /** Who lists the nodes. Default: a fixed list. */
  readonly discover?: Discovery
  /** Options of the failover pool; a call is held for a minute. */
  readonly failover?: Parameters<typeof withFailover>[1]
}

/** A cluster under a manager, and a pool that follows its primary. */
export class ManagedSetup<Cluster extends ManagedCluster> implements AsyncDisposable {
  readonly cluster: Cluster
  #pool: FailoverPool | undefined

  constructor(cluster: Cluster) {
    this.cluster = cluster
  }

  /** A new pool over all nodes, through one driver. */
  async connect(driver: Driver, { discover, failover }: FollowOptions = {}): Promise<FailoverPool> {
    await this.cluster.healthy()
    const leader = await this.cluster.leader()
    await leader.sql('drop table if exists poolhouse_history')
    for (const text of historyTable()) await leader.sql(text)
    const poolOf = ({ name, url }: Pick<ManagedNode, 'name' | 'url'>): ConnectionPool =>
      createPool({ driver, connection: url, name, max: 10 })
    const nodes =
      discover === undefined
        ? this.cluster.nodes.map(poolOf)
        : { discover, pool: ({ name }: DiscoveredNode) => poolOf(this.cluster.node(name!)) }
    // Shorter than some outages here, longer than others; each test says what it expects.
    this.#pool = withFailover(nodes, { hold: { timeoutMs: 60_000 }, ...failover })
    return this.#pool
  }

  /** Workers on the pool of the last `connect`. */
  write(deadlineMs = 60_000): Workload {
    const writes = this.#pool!
    return startWorkload({ writes, writers: WRITERS, pauseMs: PAUSE_MS, deadlineMs })
  }

  /** The same, each with a session of its own whose reads go to replicas. */
  writeAndRead(deadlineMs = 60_000): Workload {
    const db = withReplicas(this.#pool!, this.#pool!.topology)
    const sessions = Array.from({ length: WRITERS }, () => db.session())
    const own = (worker: number) => sessions[worker]!
    return startWorkload({
      writes: own,
      reads: own,
      writers: WRITERS,
      pauseMs: PAUSE_MS,
      deadlineMs,
    })
  }

  /**
   * Compares what the workers were told with what the primary holds, once every node has healed;
   * ends the pool.
   */
  async verify(workload: Workload): Promise<HistoryReport> {
    const history = await workload.stop()
    await this.cluster.healthy()
    const leader = await this.cluster.leader()
    const db = { query: async (text: string) => ({ rows: await leader.sql(text) }) }
    const report = await verifyHistory(history, {
      db: db as unknown as ConnectionPool,
      pools: [this.#pool!],
      reads: ['read-your-writes', 'monotonic-reads'],
    })
    await this.#pool!.close({ timeoutMs: 0 })
    return report
  }

  /** Waits until the pool's view satisfies a condition. */
  async until(condition: (pool: FailoverPool) => boolean, timeoutMs = 60_000): Promise<void> {
    const deadline = performance.now() + timeoutMs
    while (!condition(this.#pool!)) {
      if (performance.now() > deadline) {
        const nodes = this.#pool!.topology.current.nodes.map(({ id, state }) => `${id} ${state}`)
        throw new Error(`not within ${timeoutMs} ms: ${condition.toString()}; ${nodes.join(', ')}`)
      }
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#pool?.close({ timeoutMs: 0 })
    await this.cluster.stop()
  }
}

/**
 * Resolves with the node that is primary instead of `old`, by the word of PostgreSQL; `old` is not
 * asked, it may be frozen.
 */
export async function promotionOf<Node extends ManagedNode>(
  cluster: ManagedCluster<Node>,
  old: Node,
): Promise<Node> {
  for (;;) {
    for (const node of cluster.nodes) if (node !== old && (await node.isPrimary())) return node
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

/**
 * How long a connect, a commit and a disconnect take now without any pool, in milliseconds: what
 * the machine itself needs.
 */
export async function bareCommit(node: ManagedNode): Promise<number> {
  const begunAt = performance.now()
  await node.sql('select pg_current_xact_id()')
  return performance.now() - begunAt
}

/** What the failed calls of a workload were told. */
export function failuresOf({ history }: Workload): unknown[] {
  return history.operations
    .map(({ outcome }) => outcome)
    .filter((outcome) => outcome?.kind === 'failed')
}

/** How many calls of a workload failed with each message, a line for each. */
export function describeFailures({ history }: Workload): string {
  const times = new Map<string, number>()
  for (const { kind, outcome } of history.operations) {
    if (outcome?.kind !== 'failed') continue
    const line = `${kind}, executed ${outcome.executed}, ${outcome.code}: ${outcome.message}`
    times.set(line, (times.get(line) ?? 0) + 1)
  }
  return [...times].map(([line, count]) => `${count} times ${line}`).join('\n')
}
