import { setTimeout as sleep } from 'node:timers/promises'
import { createPool } from '@poolhouse/core'
import { withFailover } from '@poolhouse/failover'
import { nodePostgres } from '@poolhouse/node-postgres'
import { withReplicas } from '@poolhouse/read-replicas'
import { type Cluster, type ClusterNode, startCluster } from '@poolhouse/testkit'
import { acknowledged, History, type StoredId } from './history.js'
import { LivePage } from './live-page.js'
import { Narrator } from './narrator.js'
import { type RoundReport, reportOf } from './report.js'
import type { Scoreboard } from './scoreboard.js'
import { ORDERS_TABLE, Workload } from './workload.js'

const CALM_MS = 3_500
/** Time before the promotion, in place of the time that Patroni needs to notice and decide. */
const DECISION_MS = 400
const AFTER_PROMOTION_MS = 2_500
/** Longest wait for the first read from the node that came back. */
const REJOINED_READ_TIMEOUT_MS = 6_000
const AFTER_REJOIN_MS = 2_000
const MAX_CONNECTIONS = 10

/**
 * A drill on a fresh cluster: calm, SIGKILL of the primary, promotion, return of the old primary;
 * then the table is compared with the answers.
 */
export class Drill {
  readonly #board: Scoreboard
  readonly #signal: AbortSignal
  readonly #history = new History()

  /** `signal` ends the drill early; `run` then rejects when everything is cleaned up. */
  constructor(board: Scoreboard, signal: AbortSignal) {
    this.#board = board
    this.#signal = signal
  }

  /**
   * Runs the drill once. Rejects when the cluster does not do what it should, or with the reason of
   * the signal.
   */
  async run(): Promise<RoundReport> {
    this.#signal.throwIfAborted()
    this.#board.phase = 'starting three PostgreSQL servers'
    const began = performance.now()
    // Synchronous: a commit is acknowledged when one replica has it too. Without that no pool could
    // promise anything.
    await using cluster = await startCluster({ replicas: 2, synchronous: true })
    this.#signal.throwIfAborted()
    const took = ((performance.now() - began) / 1000).toFixed(1)
    this.#board.tell('drill', `a primary and two synchronous replicas are up, after ${took} s`)
    return await this.#onCluster(cluster)
  }

  async #onCluster(cluster: Cluster): Promise<RoundReport> {
    const nodes = cluster.nodes.map((node) =>
      createPool({
        driver: nodePostgres(),
        connection: node.url,
        name: node.name,
        max: MAX_CONNECTIONS,
      }),
    )
    const primary = withFailover(nodes)
    const db = withReplicas(primary, primary.topology)
    this.#board.watch({ topology: primary.topology, history: this.#history })
    const page = await LivePage.open(db)
    this.#board.tell('drill', `the same on a page: ${page.address}`)
    const narrator = new Narrator(this.#board, primary.topology.current, primary, db)
    let workload: Workload | undefined
    try {
      for (const statement of ORDERS_TABLE) await db.query(statement)
      await this.#untilReplicated(cluster)
      narrator.holds.length = 0 // calls that waited for the first probe were not held by a failover
      const loadFrom = performance.now()
      workload = new Workload({
        db,
        reader: db.reader(),
        history: this.#history,
        onSettled: (kind, call) => this.#board.settled(kind, call),
      })
      const marks = await this.#disaster(cluster)
      this.#board.phase = 'no new calls; waiting for the last answers'
      const loadTo = performance.now()
      await workload.stop()
      narrator.stop()
      this.#board.freeze()
      this.#signal.throwIfAborted()
      this.#board.phase = `comparing the answers with the data on ${marks.newPrimary.name}`
      return reportOf({
        history: this.#history,
        stored: await storedIds(marks.newPrimary),
        marks: { ...marks, loadFrom, loadTo },
        holds: narrator.holds,
        oldPrimary: marks.oldPrimary.name,
        newPrimary: marks.newPrimary.name,
      })
    } finally {
      await workload?.stop(0)
      narrator.stop()
      page.close()
      await db.close({ timeoutMs: 500 })
    }
  }

  async #disaster(cluster: Cluster) {
    const board = this.#board
    const oldPrimary = cluster.primary
    const label = `${oldPrimary.name}:${oldPrimary.port}`
    board.phase = 'all is well'
    board.tell('drill', 'load begins: 6 writers, 6 readers')
    await this.#pause(CALM_MS)

    board.phase = `${label} was killed; there is no primary`
    board.tell('drill', `SIGKILL to every process of ${label}, the primary`)
    const killedAt = performance.now()
    await oldPrimary.kill()
    await this.#pause(killedAt + DECISION_MS - performance.now())

    board.tell('drill', `${DECISION_MS} ms later (as if Patroni had decided): promotion ordered`)
    const decidedAt = performance.now()
    const newPrimary = await cluster.failover()
    const promotedAt = newPrimary.promotedAt ?? Number.NaN
    const took = Math.round(promotedAt - decidedAt)
    board.tell('drill', `${newPrimary.name}:${newPrimary.port} was promoted, which took ${took} ms`)
    board.phase = `${newPrimary.name}:${newPrimary.port} is the primary; ${label} is still gone`
    await this.#pause(AFTER_PROMOTION_MS)

    board.phase = `${label} comes back as a replica`
    board.tell('drill', `${label} comes back: data wiped, cloned from ${newPrimary.name}`)
    await oldPrimary.rejoinAs(newPrimary)
    const rejoinedAt = performance.now()
    board.tell('drill', `${label} streams from ${newPrimary.name}`)
    await this.#untilServesReads(oldPrimary, rejoinedAt)
    board.phase = 'three nodes again'
    await this.#pause(AFTER_REJOIN_MS)
    return { oldPrimary, newPrimary, killedAt, decidedAt, promotedAt, rejoinedAt }
  }

  async #pause(ms: number): Promise<void> {
    try {
      await sleep(Math.max(0, ms), undefined, { signal: this.#signal })
    } catch {
      this.#signal.throwIfAborted()
    }
  }

  /** Readers must not fail because a replica has not heard of the table yet. */
  async #untilReplicated(cluster: Cluster): Promise<void> {
    const exists = "select to_regclass('orders') is not null as known"
    for (const node of cluster.nodes) {
      while (!(await node.sql<{ known: boolean }>(exists))[0]?.known) await this.#pause(20)
    }
  }

  async #untilServesReads(node: ClusterNode, since: number): Promise<void> {
    const deadline = since + REJOINED_READ_TIMEOUT_MS
    while (performance.now() < deadline) {
      await this.#pause(50)
      const served = acknowledged(this.#history.reads.slice(-200)).some(
        ({ endedAt, outcome }) => outcome.node === node.name && endedAt > since,
      )
      if (served) {
        const ms = Math.round(performance.now() - since)
        this.#board.tell('drill', `${node.name}:${node.port} serves reads again, ${ms} ms later`)
        return
      }
    }
    this.#board.tell('alarm', `${node.name}:${node.port} is a replica but gets no reads`)
  }
}

async function storedIds(node: ClusterNode): Promise<StoredId[]> {
  return await node.sql<StoredId>('select id, count(*)::int as copies from orders group by id')
}
