import type { Cluster } from '../../cluster/cluster.js'
import type { ClusterNode } from '../../cluster/cluster-node.js'
import { startCluster } from '../../cluster/start-cluster.js'
import { KeptSessions } from './kept-sessions.js'

/** A replica of the server that cases run on. */
export interface ReplicaUnderTest {
  /** Address it listens on. */
  readonly host: string
  /** Its TCP port. */
  readonly port: number
  /**
   * Runs a statement as superuser. Its session is kept for others: what it sets must be local to
   * the statement.
   */
  sql<Row = Record<string, unknown>>(text: string, values?: readonly unknown[]): Promise<Row[]>
  /** Stops the replay of what it receives; resolves when nothing is replayed any more. */
  pauseReplay(): Promise<void>
  /** Ends `pauseReplay`. */
  resumeReplay(): Promise<void>
}

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
  /** The first replica of its cluster; undefined where there is none. */
  readonly replica: ReplicaUnderTest | undefined
  /**
   * Runs a statement as superuser. Its session is kept for others: what it sets must be local to
   * the statement.
   */
  sql<Row = Record<string, unknown>>(text: string, values?: readonly unknown[]): Promise<Row[]>
}

/**
 * The primary of `cluster`, which must ask for passwords (`auth: 'scram-sha-256'`) and is left
 * running; without one, a server of its own that ends with `[Symbol.asyncDispose]`.
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
  const [socketDirectory, sessions] = await sessionsOf(node, own.database)
  const standby = own.replicas[0]
  const [, standbySessions] = standby ? await sessionsOf(standby, own.database) : []
  return {
    host: node.host,
    port: node.port,
    user: own.user,
    password: own.password,
    database: own.database,
    socketDirectory,
    replica: standby && {
      host: standby.host,
      port: standby.port,
      sql: (text, values) => standbySessions!.sql(text, values),
      pauseReplay: () => standby.pauseReplay(),
      resumeReplay: () => standby.resumeReplay(),
    },
    sql: (text, values) => sessions.sql(text, values),
    async [Symbol.asyncDispose]() {
      await Promise.all([sessions.close(), standbySessions?.close()])
      if (given === undefined) await own.stop()
    },
  }
}

/** The directory of a node's Unix socket, and sessions of the superuser over it. */
async function sessionsOf(
  node: ClusterNode,
  database: string,
): Promise<[socketDirectory: string, sessions: KeptSessions]> {
  const [row] = await node.sql<{ unix_socket_directories: string }>('show unix_socket_directories')
  const home = row!.unix_socket_directories
  return [home, new KeptSessions({ name: node.name, home, port: node.port, database })]
}
