import type { StopMode } from './server-process.js'

/** One PostgreSQL server of a test cluster, and what can be done to it. */
export interface ClusterNode {
  /** `a` for the first primary, then `b`, `c`, …; also its application name in replication. */
  readonly name: string
  /** Address that the server listens on. */
  readonly host: '127.0.0.1'
  /** TCP port; stays the same when the node is started again. */
  readonly port: number
  /**
   * Connection URL of the application's role, percent-encoded, without parameters; with the
   * password unless the cluster trusts everybody.
   */
  readonly url: string
  /** Whether the server's main process is alive, frozen or not. */
  readonly running: boolean
  /** When `promote` last succeeded, as a reading of `performance.now()` in milliseconds. */
  readonly promotedAt: number | undefined
  /**
   * Ends the server and all its processes with SIGKILL at once; resolves when all are gone. What
   * was committed survives. Does nothing more to a node that is down.
   *
   * @example
   * await cluster.primary.kill()
   */
  kill(): Promise<void>
  /**
   * Stops the server: `'smart'` waits for the clients to leave (for ever, if they stay), `'fast'`
   * (default) disconnects them, `'immediate'` skips the checkpoint. Thaws a frozen node first.
   * Rejects after 60 s, with the end of the log, unless smart.
   *
   * @example
   * await cluster.primary.stop('immediate')
   */
  stop(mode?: StopMode): Promise<void>
  /**
   * Stops (fast) and starts the server.
   *
   * @example
   * await cluster.primary.restart()
   */
  restart(): Promise<void>
  /**
   * Starts the server on its data as it left them: a former primary comes back as a primary on its
   * old timeline. Rejects with the end of the log when it does not accept connections in 60 s.
   *
   * @example
   * await cluster.nodes[0]?.start()
   */
  start(): Promise<void>
  /**
   * Stops all the server's processes with SIGSTOP: connections stay open, nothing answers.
   *
   * @example
   * await cluster.primary.freeze()
   */
  freeze(): Promise<void>
  /**
   * Lets a frozen server continue.
   *
   * @example
   * await cluster.nodes[0]?.thaw()
   */
  thaw(): Promise<void>
  /**
   * Makes a replica the primary; resolves as soon as it takes writes. With `refollow` (default
   * true) the other running replicas are pointed at it; that they stream is not waited for. The
   * old primary is left alone. Rejects when the node is no replica.
   *
   * @example
   * await cluster.replicas[0]?.promote({ refollow: false })
   */
  promote(options?: PromoteOptions): Promise<void>
  /**
   * Points a replica at another node; resolves when it streams from it.
   *
   * @example
   * await cluster.replicas[1]?.follow(cluster.primary)
   */
  follow(primary: ClusterNode): Promise<void>
  /**
   * Stops the replay of received WAL on a replica; resolves when nothing is replayed any more.
   *
   * @example
   * await cluster.replicas[0]?.pauseReplay()
   */
  pauseReplay(): Promise<void>
  /**
   * Ends `pauseReplay`.
   *
   * @example
   * await cluster.replicas[0]?.resumeReplay()
   */
  resumeReplay(): Promise<void>
  /**
   * Has a replica replay each commit this many milliseconds late; 0 ends it.
   *
   * @example
   * await cluster.replicas[0]?.setApplyDelay(2_000)
   */
  setApplyDelay(delayMs: number): Promise<void>
  /**
   * Turns this node, running or not, into a replica of `primary`: its data are wiped and cloned
   * anew from the running primary. Resolves when it streams.
   *
   * @example
   * const primary = await cluster.failover()
   * await cluster.nodes[0]?.rejoinAs(primary)
   */
  rejoinAs(primary: ClusterNode): Promise<void>
  /**
   * Runs one statement as superuser on a connection of its own, in the cluster's database.
   *
   * @example
   * const [row] = await cluster.primary.sql<{ pid: number }>('select pg_backend_pid() as pid')
   */
  sql<Row = Record<string, unknown>>(text: string, values?: readonly unknown[]): Promise<Row[]>
}

/**
 * How to promote a replica.
 *
 * @example
 * await cluster.replicas[0]?.promote({ refollow: false })
 */
export interface PromoteOptions {
  /** Whether the other running replicas are to follow the new primary. Default true. */
  refollow?: boolean
}
