import { type ConnectionPool, createPool, type Driver } from '@poolhouse/core'
import { type FailoverPool, withFailover } from '@poolhouse/failover'
import { expressReplicas, type ReplicaPool, withReplicas } from '@poolhouse/read-replicas'
import {
  type Cluster,
  type ClusterNode,
  type HistoryReport,
  type HistoryRequest,
  historyTable,
  startCluster,
  startWorkload,
  verifyHistory,
  type Workload,
} from '@poolhouse/testkit'
import { type BalancingRelay, startBalancingRelay } from '../support/balancing-relay.js'
import { until } from './replica-cluster.js'

const OVER_TOPOLOGY = 4
const OVER_ENDPOINT = 3
const READERS = 4
const USERS = 3
const PAUSE_MS = 15
const DEADLINE_MS = 6_000

/**
 * A primary with two replicas, one of them known by a name that can be moved, a reader endpoint in
 * front of both, and three kinds of readers at work: sessions over the topology, sessions over the
 * reader endpoint, and users with cookies who make requests side by side.
 */
export class ReadSetup implements AsyncDisposable {
  readonly cluster: Cluster
  readonly primary: FailoverPool
  readonly db: ReplicaPool
  /** The name under which `c` is listed. */
  readonly name: BalancingRelay
  /** The reader endpoint. */
  readonly endpoint: BalancingRelay
  readonly #byEndpoint: ReplicaPool
  readonly #workload: Workload

  private constructor(
    cluster: Cluster,
    relays: { name: BalancingRelay; endpoint: BalancingRelay },
    primary: FailoverPool,
    db: ReplicaPool,
    byEndpoint: ReplicaPool,
  ) {
    this.cluster = cluster
    this.name = relays.name
    this.endpoint = relays.endpoint
    this.primary = primary
    this.db = db
    this.#byEndpoint = byEndpoint
    const writers = OVER_TOPOLOGY + OVER_ENDPOINT
    const sessions = Array.from({ length: writers + READERS }, (_, worker) =>
      (worker < OVER_TOPOLOGY || worker % 2 === 0 ? db : byEndpoint).session(),
    )
    this.#workload = startWorkload({
      writes: (worker) => sessions[worker]!,
      reads: (worker) => sessions[worker]!,
      writers,
      readers: READERS,
      users: USERS,
      request: requestsOf(db),
      pauseMs: PAUSE_MS,
      deadlineMs: DEADLINE_MS,
    })
  }

  /** Starts it all; resolves when both replicas serve and all have been at work for a while. */
  static async start(driver: Driver): Promise<ReadSetup> {
    const cluster = await startCluster({ replicas: 2, synchronous: true })
    const [a, b, c] = cluster.nodes as [ClusterNode, ClusterNode, ClusterNode]
    const name = await startBalancingRelay(c.url)
    const endpoint = await startBalancingRelay(b.url, c.url)
    const pool = (url: string, id: string): ConnectionPool =>
      createPool({
        driver,
        connection: url,
        name: id,
        max: 20,
        acquireTimeoutMs: 4_000,
        statementTimeoutMs: DEADLINE_MS,
      })
    const primary = withFailover(
      [pool(a.url, 'a'), pool(b.url, 'b'), pool(name.through(c.url), 'c')],
      { probe: { intervalMs: 250 }, hold: { timeoutMs: 5_000 } },
    )
    for (const text of historyTable()) await primary.query(text)
    const db = withReplicas(primary, primary.topology)
    const byEndpoint = withReplicas(primary, [pool(endpoint.through(b.url), 'endpoint')])
    await Promise.all([db.ready(), byEndpoint.ready()])
    const setup = new ReadSetup(cluster, { name, endpoint }, primary, db, byEndpoint)
    await until(
      () => primary.topology.current.replicas.length,
      (replicas) => replicas === 2,
    )
    await pause(800)
    return setup
  }

  /** The node of this name. */
  node(name: string): ClusterNode {
    return this.cluster.nodes.find((node) => node.name === name)!
  }

  /** Resolves when the pool takes this node for the primary. */
  async untilPrimary(name: string): Promise<void> {
    await until(
      () => this.primary.topology.current.primary?.id,
      (id) => id === name,
    )
  }

  /** Ends the work and judges it by what the primary holds. */
  async verify(): Promise<HistoryReport & { readonly operations: number; readonly reads: number }> {
    const history = await this.#workload.stop()
    const report = await verifyHistory(history, {
      db: this.primary,
      pools: [this.primary, this.db, this.#byEndpoint],
      reads: ['read-your-writes', 'monotonic-reads', 'no-lost-reads'],
    })
    const { operations } = history
    const reads = operations.filter(({ saw }) => saw !== undefined).length
    return { ...report, operations: operations.length, reads }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#workload.stop(0)
    await this.db.close({ timeoutMs: 500 })
    await this.#byEndpoint.close({ timeoutMs: 500 })
    await this.name[Symbol.asyncDispose]()
    await this.endpoint[Symbol.asyncDispose]()
    await this.cluster.stop()
  }
}

/**
 * Requests as the middleware serves them: the cookie comes with the request and goes back with the
 * response.
 */
function requestsOf(db: ReplicaPool): (cookie: string, method: 'GET' | 'POST') => HistoryRequest {
  const middleware = expressReplicas(db, { monotonicReads: true })
  return (cookie, method) => {
    const headers = new Map<string, unknown>()
    let sent = (): void => {}
    const response = {
      headersSent: false,
      getHeader: (name: string) => headers.get(name) as string | undefined,
      setHeader: (name: string, value: unknown) => void headers.set(name, value),
      writeHead: (): unknown => undefined,
      end(): unknown {
        response.writeHead()
        sent()
        return response
      },
    }
    const request = {
      method,
      headers: { cookie: cookie === '' ? undefined : `db_token=${cookie}` },
    }
    return {
      run: (work) =>
        new Promise((resolve, reject) => {
          middleware(request, response, () => {
            work(db).then(resolve, reject)
          })
        }),
      cookie: () =>
        new Promise((resolve) => {
          sent = () => resolve(String(headers.get('x-db-token') ?? ''))
          response.end()
        }),
    }
  }
}

/** Resolves after so many milliseconds. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
