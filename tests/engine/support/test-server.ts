import { type ConnectionPool, createPool, type PoolOptions } from '@poolhouse/core'
import { nodePostgres } from '@poolhouse/node-postgres'
import { type Cluster, type ClusterOptions, startCluster } from '@poolhouse/testkit'
import { afterAll, beforeAll, onTestFinished } from 'vitest'

/** Options of a pool whose driver is given. */
type TestPoolOptions = Omit<PoolOptions, 'driver' | 'connection'> &
  Partial<Pick<PoolOptions, 'connection'>>

/** One PostgreSQL server for all tests of a file. */
export interface TestServer {
  /** The cluster it is the only node of. */
  readonly cluster: Cluster
  /** URL of the application's role. */
  readonly url: string
  /** A pool on this server unless `connection` says otherwise; closed when the test is over. */
  pool(options?: TestPoolOptions): ConnectionPool
  /** Runs a statement as superuser, on a connection of its own. */
  sql<Row = Record<string, unknown>>(text: string, values?: readonly unknown[]): Promise<Row[]>
  /** Sessions of the application's role that match a condition on `pg_stat_activity`. */
  sessions(condition?: string): Promise<number>
}

/** Starts a server before the first test of the file and stops it after the last. */
export function testServer(options: ClusterOptions = {}): TestServer {
  let cluster: Cluster
  beforeAll(async () => {
    cluster = await startCluster({ replicas: 0, ...options })
  })
  afterAll(async () => {
    await cluster?.stop()
  })
  const server: TestServer = {
    get cluster() {
      return cluster
    },
    get url() {
      return cluster.primary.url
    },
    pool: (poolOptions = {}) => testPool({ connection: cluster.primary.url, ...poolOptions }),
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

/** A pool over `pg` that is closed when the test is over, whatever it still holds. */
export function testPool(options: Omit<PoolOptions, 'driver'>): ConnectionPool {
  const pool = createPool({ driver: nodePostgres(), name: 'test', ...options })
  onTestFinished(() => pool.close({ timeoutMs: 0 }))
  return pool
}

/** The server process behind a connection, which tells connections apart. */
export const PID = 'select pg_backend_pid() as pid'
