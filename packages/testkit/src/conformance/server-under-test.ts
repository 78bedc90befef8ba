import { type Cluster, startCluster } from '../cluster/cluster.js'
import type { ClusterNode } from '../cluster/cluster-node.js'

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
  /** Runs a statement as superuser, on a connection of its own. */
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
  return {
    host: node.host,
    port: node.port,
    user: own.user,
    password: own.password,
    database: own.database,
    socketDirectory: row!.unix_socket_directories,
    sql: (text, values) => node.sql(text, values),
    async [Symbol.asyncDispose]() {
      if (given === undefined) await own.stop()
    },
  }
}
