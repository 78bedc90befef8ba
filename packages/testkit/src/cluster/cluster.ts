import type { ClusterNode } from './cluster-node.js'

/** A throw-away PostgreSQL cluster: one primary and its streaming replicas. */
export interface Cluster extends AsyncDisposable {
  /** All nodes, in the order of their names, running or not. */
  readonly nodes: readonly ClusterNode[]
  /**
   * The running, writable node with the highest timeline, as the kit last saw it (it does not
   * notice a promotion that was not its own). Throws while there is none.
   */
  readonly primary: ClusterNode
  /** The nodes that were replicas when the kit last looked, running or not. */
  readonly replicas: readonly ClusterNode[]
  /** PEM certificate of the authority to trust, when the cluster speaks TLS. */
  readonly ca?: string
  /** Login name of the application's role: an ordinary role that owns the database. */
  readonly user: string
  /** Password of that role, not encoded; it contains characters that a URL must encode. */
  readonly password: string
  /** Name of the application's database. */
  readonly database: string
  /**
   * A planned change: stops the primary, waits until `to` (default: the most advanced running
   * replica) has everything, promotes it and starts the old primary as its replica. Returns the
   * new primary when the old one streams from it.
   *
   * @example
   * const primary = await cluster.switchover(cluster.replicas[0])
   */
  switchover(to?: ClusterNode): Promise<ClusterNode>
  /**
   * Promotes the running replica that has received most and points the others at it. The old
   * primary is left as it is: if it still runs, there are two. Throws when no replica runs.
   *
   * @example
   * await cluster.primary.kill()
   * const primary = await cluster.failover()
   */
  failover(): Promise<ClusterNode>
  /**
   * Ends all servers and removes everything from the disk. May be called more than once.
   *
   * @example
   * const cluster = await startCluster()
   * await cluster.stop()
   */
  stop(): Promise<void>
}
