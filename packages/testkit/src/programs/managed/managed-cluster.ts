import { setTimeout as sleep } from 'node:timers/promises'
import { DirectoryOwner } from '../../machine/directory-owner.js'
import type { ManagedNode } from './managed-node.js'

const START_TIMEOUT_MS = 90_000
const POLL_MS = 50

/** Servers whose primary is chosen by a cluster manager. */
export interface ManagedCluster<Node extends ManagedNode = ManagedNode> extends AsyncDisposable {
  /** The nodes, in order of their names. */
  readonly nodes: readonly Node[]
  /** Connection URLs of the nodes, superuser without password. */
  readonly urls: readonly string[]
  /**
   * The node of that name. Throws `RangeError` if there is none.
   *
   * @example
   * await patroniCluster.node('b').crash()
   */
  node(name: string): Node
  /**
   * The node whose PostgreSQL says that it is the primary (SQL, not the manager); waits for one, at
   * most `timeoutMs` (90 000). Of several, that of the highest timeline.
   *
   * @example
   * const leader = await patroniCluster.leader(30_000)
   */
  leader(timeoutMs?: number): Promise<Node>
  /**
   * Has the manager move the primary to another node. Resolves when it is one.
   *
   * @example
   * const primary = await patroniCluster.switchover('b')
   */
  switchover(to?: string): Promise<Node>
  /**
   * Resolves when there is a primary, every other node streams from it, and the manager has nothing
   * left to do. Throws with the ends of the logs when that takes longer than `timeoutMs` (90 000).
   *
   * @example
   * await patroniCluster.healthy(60_000)
   */
  healthy(timeoutMs?: number): Promise<void>
  /**
   * Ends everything and removes its files. May be called more than once.
   *
   * @example
   * await patroniCluster.stop()
   */
  stop(): Promise<void>
}

/** What the clusters of all managers have in common. */
export abstract class RunningCluster<Node extends ManagedNode>
  extends DirectoryOwner
  implements ManagedCluster<Node>
{
  readonly nodes: readonly Node[]

  /** Takes over nodes below a directory that goes with them. */
  constructor(home: string, nodes: readonly Node[]) {
    super(home)
    this.nodes = nodes
  }

  get urls(): readonly string[] {
    return this.nodes.map(({ url }) => url)
  }

  node(name: string): Node {
    const found = this.nodes.find((node) => node.name === name)
    if (found === undefined) {
      const names = this.nodes.map((node) => node.name).join(', ')
      throw new RangeError(`there is no node "${name}"; the nodes are ${names}`)
    }
    return found
  }

  async leader(timeoutMs: number = START_TIMEOUT_MS): Promise<Node> {
    return await this.until('primary', timeoutMs, () => this.findLeader())
  }

  abstract switchover(to?: string): Promise<Node>

  async healthy(timeoutMs: number = START_TIMEOUT_MS): Promise<void> {
    await this.until('primary with all its replicas', timeoutMs, async () => {
      const leader = await this.findLeader()
      if (leader === undefined) return undefined
      const streaming = await leader
        .sql("select from pg_stat_replication where state = 'streaming'")
        .catch(() => [])
      if (streaming.length < this.nodes.length - 1) return undefined
      return (await this.isSettled(leader)) ? true : undefined
    })
  }

  /**
   * Whether the manager knows what it needs for a switchover; PostgreSQL is ready a little earlier.
   */
  protected abstract isSettled(leader: Node): Promise<boolean>

  /** The ends of the logs beside those of the nodes. */
  protected abstract logTail(): Promise<string>

  /** The primary of the highest timeline; undefined if there is none. */
  protected async findLeader(): Promise<Node | undefined> {
    const claims = await Promise.all(
      this.nodes.map(async (node) => {
        const rows = await node
          .sql<{ timeline: string }>(
            "select case when pg_is_in_recovery() then '' else substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) end as timeline",
          )
          .catch(() => [])
        return { node, timeline: rows[0]?.timeline ?? '' }
      }),
    )
    const [highest] = claims.sort((a, b) => b.timeline.localeCompare(a.timeline))
    return highest?.timeline ? highest.node : undefined
  }

  /**
   * Looks until there is something to see. Throws with the ends of the logs when the time is up.
   */
  protected async until<T>(
    what: string,
    timeoutMs: number,
    look: () => Promise<T | undefined>,
  ): Promise<T> {
    const deadline = performance.now() + timeoutMs
    for (;;) {
      const found = await look()
      if (found !== undefined) return found
      if (performance.now() > deadline) {
        const logs = await Promise.all(
          this.nodes.map(async (node) => `── ${node.name}\n${await node.logTail()}`),
        )
        throw new Error(
          `no ${what} within ${timeoutMs} ms\n${await this.logTail()}\n${logs.join('\n')}`,
        )
      }
      await sleep(POLL_MS)
    }
  }
}
