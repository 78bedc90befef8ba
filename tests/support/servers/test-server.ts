import { type ConnectionPool, createPool, type Driver, type PoolOptions } from '@poolhouse/core'
import {
  type Cluster,
  type ClusterOptions,
  type FaultProxy,
  startCluster,
  startFaultProxy,
} from '@poolhouse/testkit'
import { afterAll, beforeAll, onTestFinished } from 'vitest'
import { ADDED_LATENCY_MS } from '../added-latency.js'

/**
 * Options of a pool whose driver is given, and whose connection leads to the server of the file
 * unless a test says otherwise.
 */
type TestPoolOptions = Omit<PoolOptions, 'driver' | 'connection'> &
  Partial<Pick<PoolOptions, 'connection'>>

/** One PostgreSQL server for all tests of a file, far away where latency is added. */
export interface TestServer {
  /** The cluster it is the only node of. */
  readonly cluster: Cluster
  /** URL of the application's role. */
  readonly url: string
  /** TCP port of that URL. */
  readonly port: number
  /**
   * What makes pools over a driver, on this server unless `connection` says otherwise; each is
   * closed when its test is over.
   */
  poolsOver(driver: Driver): (options?: TestPoolOptions) => ConnectionPool
  /** Runs a statement as superuser, on a connection of its own. */
  sql<Row = Record<string, unknown>>(text: string, values?: readonly unknown[]): Promise<Row[]>
  /** Sessions of the application's role that match a condition on `pg_stat_activity`. */
  sessions(condition?: string): Promise<number>
}

/**
 * Starts a server before the first test of the file and stops it after the last. `latencyMs` is
 * what the line to it takes longer, each way; a file whose tests are about very many short calls
 * says 0.
 */
export function testServer(
  options: ClusterOptions = {},
  latencyMs: number = ADDED_LATENCY_MS,
): TestServer {
  let cluster: Cluster
  let line: FaultProxy | undefined
  beforeAll(async () => {
    cluster = await startCluster({ replicas: 0, ...options })
    if (latencyMs === 0) return
    line = await startFaultProxy(cluster.primary.url)
    line.delay(latencyMs)
  })
  afterAll(async () => {
    await line?.close()
    await cluster?.stop()
  })
  const server: TestServer = {
    get cluster() {
      return cluster
    },
    get url() {
      return line?.url() ?? cluster.primary.url
    },
    get port() {
      return line?.port ?? cluster.primary.port
    },
    poolsOver(driver) {
      const openPool = poolsOver(driver)
      return (poolOptions = {}) => openPool({ connection: server.url, ...poolOptions })
    },
    sql: (text, values) => cluster.primary.sql(text, values),
    async sessions(condition = 'true') {
      const rows = await cluster.primary.sql<{ n: number }>(
        `select count(*)::int as n from pg_stat_activity where usename = 'app' and (${condition})`,
      )
      return rows[0]!.n
    },
  }
  return server
}

/**
 * What makes pools over a driver. Each is closed when its test is over, whatever it still holds.
 */
export function poolsOver(
  driver: Driver,
): (options: TestPoolOptions & Pick<PoolOptions, 'connection'>) => ConnectionPool {
  return (options) => {
    const pool = createPool({ driver, name: 'test', ...options })
    onTestFinished(() => pool.close({ timeoutMs: 0 }))
    return pool
  }
}

/** The server process behind a connection, which tells connections apart. */
export const PID = 'select pg_backend_pid() as pid'
