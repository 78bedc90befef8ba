import { setTimeout as pause } from 'node:timers/promises'
import { createPool, type Driver } from '@poolhouse/core'
import { type FailoverOptions, type FailoverPool, withFailover } from '@poolhouse/failover'
import { type ReplicaPool, withReplicas } from '@poolhouse/read-replicas'
import {
  type Cluster,
  type ClusterNode,
  type FaultProxy,
  type HistoryReport,
  historyTable,
  startCluster,
  startFaultProxy,
  startWorkload,
  verifyHistory,
  type Workload,
} from '@poolhouse/testkit'

type Operation = Workload['history']['operations'][number]

/** How many writers and how many readers there are. */
const WRITERS = 6
const READERS = 6
const PAUSE_MS = 10

/** The kind of cluster that an outage strikes. */
export interface OutageOptions {
  /** Whether a commit waits for a replica. Default true, so no acknowledged write may be lost. */
  readonly synchronous?: boolean
  /** Whether every server is reached through a fault proxy. Default false. */
  readonly proxied?: boolean
  /**
   * The deadline of every call and statement, in milliseconds. Default 5 000. The checker counts a
   * call as `late` if it takes more than 250 ms longer.
   */
  readonly deadlineMs?: number
  /** Options of the failover pool that differ from those of section D of the scenarios. */
  readonly failover?: FailoverOptions
}

/** Measurements of an outage. Times are in milliseconds. */
export interface OutageFigures extends Omit<HistoryReport, 'violations'> {
  /**
   * The longest time from when the promoted server took commits until a writer had its next answer;
   * undefined without an outage.
   */
  readonly servedMs: number | undefined
}

/**
 * A primary with two replicas, 6 writers and 6 readers at work, and the outcomes of their calls.
 */
export class OutageSetup implements AsyncDisposable {
  readonly cluster: Cluster
  readonly primary: FailoverPool
  readonly db: ReplicaPool
  /** The topology events of the pool, each with its time. */
  readonly #told: { readonly at: number; readonly reason: string }[] = []
  readonly #proxies: readonly FaultProxy[]
  readonly #workload: Workload
  #bareMs = 0

  private constructor(
    cluster: Cluster,
    proxies: readonly FaultProxy[],
    primary: FailoverPool,
    db: ReplicaPool,
    deadlineMs: number,
  ) {
    this.cluster = cluster
    this.#proxies = proxies
    this.primary = primary
    this.db = db
    primary.on('topology', ({ reason }) => this.#told.push({ at: performance.now(), reason }))
    // Each worker is one user: its reads must include all of its own writes, and never go back in
    // time.
    const sessions = Array.from({ length: WRITERS + READERS }, () => db.session())
    this.#workload = startWorkload({
      writes: (worker) => sessions[worker]!,
      reads: (worker) => sessions[worker]!,
      writers: WRITERS,
      readers: READERS,
      pauseMs: PAUSE_MS,
      deadlineMs,
    })
  }

  /** Starts everything; resolves when all workers have been at work for a while. */
  static async start(driver: Driver, options: OutageOptions = {}): Promise<OutageSetup> {
    const { synchronous = true, proxied = false, deadlineMs = 5_000 } = options
    const cluster = await startCluster({ replicas: 2, synchronous })
    const proxies = proxied
      ? await Promise.all(cluster.nodes.map(({ url }) => startFaultProxy(url)))
      : []
    const pools = cluster.nodes.map(({ name, url }, index) =>
      createPool({
        driver,
        connection: proxies[index]?.url() ?? url,
        name,
        max: 20,
        acquireTimeoutMs: 4_000,
        statementTimeoutMs: deadlineMs,
      }),
    )
    const primary = withFailover(pools, {
      probe: { intervalMs: 250 },
      hold: { timeoutMs: 4_000 },
      ...options.failover,
    })
    for (const text of historyTable()) await primary.query(text)
    await cluster.primary.sql('create table first_commit(id int)')
    const db = withReplicas(primary, primary.topology)
    const setup = new OutageSetup(cluster, proxies, primary, db, deadlineMs)
    await setup.until(() => primary.topology.current.replicas.length === 2, 'both replicas')
    await pause(600)
    return setup
  }

  /**
   * How long a connect, a commit and a disconnect took at the end of the outage without any pool,
   * for the slowest of as many clients as there are writers: what the machine itself needed.
   */
  get bareMs(): number {
    return this.#bareMs
  }

  /** The operations of the workers so far. */
  get operations(): Workload['history']['operations'] {
    return this.#workload.history.operations
  }

  /** The node of this name. */
  readonly node = (name: string): ClusterNode =>
    this.cluster.nodes.find((node) => node.name === name)!

  /**
   * When this node first took a commit, as a reading of `performance.now()`: a promoted server
   * takes writes a while before a synchronous standby has found it. Rejects after 60 s.
   */
  readonly firstCommitOn = async (name: string): Promise<number> => {
    const late = pause(60_000, undefined, { ref: false }).then(() => {
      throw new Error(`not within 60 s: a commit on ${name}`)
    })
    return await Promise.race([this.#firstCommitOn(name), late])
  }

  async #firstCommitOn(name: string): Promise<number> {
    for (;;) {
      try {
        await this.node(name).sql('insert into first_commit values (1)')
        const takesCommitsAt = performance.now()
        const again = (): Promise<unknown> =>
          this.node(name).sql('insert into first_commit values (2)')
        await Promise.all(Array.from({ length: WRITERS }, again))
        this.#bareMs = performance.now() - takesCommitsAt
        return takesCommitsAt
      } catch {
        await pause(5)
      }
    }
  }

  /** The errors of failed calls. */
  failures(): string {
    const lines: string[] = []
    for (const { id, outcome } of this.operations) {
      if (outcome?.kind !== 'failed') continue
      lines.push(`${id} ${outcome.executed} ${outcome.code}: ${outcome.message}`)
    }
    return lines.join('\n')
  }

  /** The topology events of the pool and the slowest calls, with times counted from this one. */
  diary(time: number): string {
    const told = this.#told.map(({ at, reason }) => `${Math.round(at - time)} ms: ${reason}`)
    const took = ({ invokedAt, settledAt = performance.now() }: Operation): number =>
      settledAt - invokedAt
    const slowest = [...this.operations].sort((a, b) => took(b) - took(a)).slice(0, 8)
    const calls = slowest.map((operation) => {
      const { kind, id, invokedAt, outcome } = operation
      const ms = Math.round(took(operation))
      return `${Math.round(invokedAt - time)} ms: ${kind} ${id} took ${ms} ms, ${outcome?.kind}`
    })
    return [...told, ...calls].join('\n')
  }

  /** The proxy in front of the node of this name, if servers are `proxied`. */
  proxy(name: string): FaultProxy {
    return this.#proxies[this.cluster.nodes.findIndex((node) => node.name === name)]!
  }

  /** State of a node in the topology of the pool. */
  state(name: string): string | undefined {
    return this.primary.topology.current.nodes.find(({ id }) => id === name)?.state
  }

  /** Resolves when this node is the primary in the topology of the pool. */
  async untilPrimary(name: string): Promise<void> {
    await this.until(() => this.primary.topology.current.primary?.id === name, `${name} as primary`)
  }

  /** Resolves when the condition holds; rejects after 15 s with the topology of the pool. */
  async until(condition: () => boolean | Promise<boolean>, what: string): Promise<void> {
    const giveUpAt = performance.now() + 15_000
    while (!(await condition())) {
      if (performance.now() > giveUpAt) {
        const seen = this.primary.topology.current.nodes.map(
          ({ id, state, reason }) => `${id} ${state}: ${reason}`,
        )
        throw new Error(`not within 15 s: ${what}; ${seen.join('; ')}`)
      }
      await pause(5)
    }
  }

  /** Ids of the writes of which this node has a part. */
  async idsOn(node: ClusterNode): Promise<Set<string>> {
    const rows = await node.sql<{ id: string }>('select distinct id from poolhouse_history')
    return new Set(rows.map(({ id }) => id))
  }

  /**
   * Ends the work and checks it against the rows of the primary. `takesCommitsAt` is when the
   * cluster took commits again, as a reading of `performance.now()`.
   */
  async verify(
    takesCommitsAt?: number,
  ): Promise<OutageFigures & Pick<HistoryReport, 'violations'>> {
    const history = await this.#workload.stop()
    const report = await verifyHistory(history, {
      db: this.primary,
      pools: [this.primary, this.db],
      reads: ['read-your-writes', 'monotonic-reads'],
    })
    return { ...report, servedMs: takesCommitsAt && this.#servedAfter(takesCommitsAt) }
  }

  #servedAfter(time: number): number {
    const first = new Map<number, number>()
    for (const { kind, worker, outcome, settledAt } of this.operations) {
      if (kind === 'read' || outcome?.kind !== 'acknowledged' || settledAt! < time) continue
      if (!first.has(worker)) first.set(worker, settledAt! - time)
    }
    return first.size < WRITERS ? Number.POSITIVE_INFINITY : Math.max(...first.values())
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#workload.stop(0)
    await this.db.close({ timeoutMs: 500 })
    await Promise.all(this.#proxies.map((proxy) => proxy.close()))
    await this.cluster.stop()
  }
}
