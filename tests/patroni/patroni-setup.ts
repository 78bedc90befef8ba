import { type ConnectionPool, createPool, type Driver } from '@poolhouse/core'
import { type FailoverPool, withFailover } from '@poolhouse/failover'
import {
  type HistoryReport,
  historyTable,
  type PatroniCluster,
  type PatroniNode,
  type PatroniOptions,
  startPatroni,
  startWorkload,
  verifyHistory,
  type Workload,
} from '@poolhouse/testkit'

/** Workers that keep up some 200 writes a second between them. */
export const WRITERS = 8
const PAUSE_MS = 30

/** A Patroni cluster, and a pool that follows its primary. */
export class PatroniSetup implements AsyncDisposable {
  readonly patroni: PatroniCluster
  #pool: FailoverPool | undefined

  private constructor(patroni: PatroniCluster) {
    this.patroni = patroni
  }

  static async start(options?: PatroniOptions): Promise<PatroniSetup> {
    return new PatroniSetup(await startPatroni(options))
  }

  /** A new pool over all nodes, through one driver. */
  async connect(
    driver: Driver,
    options: Parameters<typeof withFailover>[1] = {},
  ): Promise<FailoverPool> {
    await this.patroni.healthy()
    const leader = await this.patroni.leader()
    await leader.sql('drop table if exists poolhouse_history')
    for (const text of historyTable()) await leader.sql(text)
    const nodes: ConnectionPool[] = this.patroni.nodes.map(({ name, url }) =>
      createPool({ driver, connection: url, name, max: 10 }),
    )
    // Shorter than some outages here, longer than others; each test says what it expects.
    this.#pool = withFailover(nodes, { hold: { timeoutMs: 60_000 }, ...options })
    return this.#pool
  }

  /** Workers on the pool of the last `connect`. */
  write(deadlineMs = 60_000): Workload {
    const writes = this.#pool!
    return startWorkload({ writes, writers: WRITERS, pauseMs: PAUSE_MS, deadlineMs })
  }

  /**
   * Compares what the workers were told with what the primary holds, once every node has healed;
   * ends the pool.
   */
  async verify(workload: Workload): Promise<HistoryReport> {
    const history = await workload.stop()
    await this.patroni.healthy()
    const leader = await this.patroni.leader()
    const db = { query: async (text: string) => ({ rows: await leader.sql(text) }) }
    const report = await verifyHistory(history, {
      db: db as unknown as ConnectionPool,
      pools: [this.#pool!],
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
    await this.patroni.stop()
  }
}

/**
 * Resolves with the node that is primary instead of `old`, by the word of PostgreSQL; `old` is not
 * asked, it may be frozen.
 */
export async function promotionOf(patroni: PatroniCluster, old: PatroniNode): Promise<PatroniNode> {
  for (;;) {
    for (const node of patroni.nodes) if (node !== old && (await node.isPrimary())) return node
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

/**
 * How long a connect, a commit and a disconnect take now without any pool, in milliseconds: what
 * the machine itself needs.
 */
export async function bareCommit(node: PatroniNode): Promise<number> {
  const begunAt = performance.now()
  await node.sql('select pg_current_xact_id()')
  return performance.now() - begunAt
}
