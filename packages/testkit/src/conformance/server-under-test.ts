import { type Cluster, startCluster } from '../cluster/cluster.js'
import type { ClusterNode } from '../cluster/cluster-node.js'
import { KeptSessions } from './kept-sessions.js'

/** The PostgreSQL server that cases run on. */
export interface ServerUnderTest extends AsyncDisposable {
  /** Address it listens on. */
  readonly host: string
  /** Its TCP port. */
  readonly port: number
  /** Login name of an ordinary role that owns the database. */
  readonly user: string
  /** Its password, which the server asks for. */
  readonly password: string
  /** The database. */
  readonly database: string
  /** Directory of its Unix socket, where the superuser `postgres` needs no password. */
  readonly socketDirectory: string
  /** Runs a statement as superuser. Its session is kept for others: what it sets must be local to the statement. */
  sql<Row = Record<string, unknown>>(text: string, values?: readonly unknown[]): Promise<Row[]>
}

/**
 * The primary of `cluster`, which must ask for passwords (`auth: 'scram-sha-256'`) and is left running; without one, a server of its
 * own that ends with `[Symbol.asyncDispose]`.
 */
export async function startServerUnderTest(
  cluster?: () => Cluster | Promise<Cluster>,
): Promise<ServerUnderTest> {
  const given = await cluster?.()
  const own =
    given ??
    (await startCluster({
      replicas: 0,
      auth: 'scram-sha-256',
    }))
  const node: ClusterNode = own.primary
  const [row] = await node.sql<{ unix_socket_directories: string }>('show unix_socket_directories')
  const socketDirectory = row!.unix_socket_directories
  const { name, port } = node
  const sessions = new KeptSessions({ name, home: socketDirectory, port, database: own.database })
  return {
    host: node.host,
    port,
    user: own.user,
    password: own.password,
    database: own.database,
    socketDirectory,
    sql: (text, values) => sessions.sql(text, values),
    async [Symbol.asyncDispose]() {
      await sessions.close()
      if (given === undefined) await own.stop()
    },
  }
}
