import { DirectoryOwner } from '../machine/directory-owner.js'
import { poll } from '../machine/poll.js'
import type { Cluster } from './cluster.js'
import type { ClusterNode } from './cluster-node.js'
import type { ResolvedClusterOptions } from './cluster-options.js'
import { readCheckpointPosition } from './control-file.js'
import { APPLICATION_PASSWORD, APPLICATION_USER } from './data-directory.js'
import type { ServerNode } from './server-node.js'

const CAUGHT_UP_TIMEOUT_MS = 10_000

/** The cluster behind `Cluster`: which node is what, and the moves that concern several. */
export class ServerCluster extends DirectoryOwner implements Cluster {
  readonly nodes: readonly ServerNode[]
  readonly user: string = APPLICATION_USER
  readonly password: string = APPLICATION_PASSWORD
  readonly database: string
  readonly ca?: string

  constructor(
    directory: string,
    options: ResolvedClusterOptions,
    nodes: readonly ServerNode[],
    ca: string | undefined,
  ) {
    super(directory)
    this.nodes = nodes
    this.database = options.database
    if (ca !== undefined) this.ca = ca
  }

  get primary(): ServerNode {
    const primaries = this.nodes.filter((node) => node.running && node.role.kind === 'primary')
    const [newest] = primaries.sort((a, b) => timeline(b) - timeline(a))
    if (newest === undefined) {
      throw new Error('no node of this cluster is a running primary: call failover() or start one')
    }
    return newest
  }

  get replicas(): readonly ServerNode[] {
    return this.nodes.filter((node) => node.role.kind === 'replica')
  }

  async switchover(to?: ClusterNode): Promise<ClusterNode> {
    const old = this.primary
    const next = to === undefined ? await this.#mostAdvancedReplica() : this.#replica(to)
    await next.untilStreamingFrom(old)
    // A primary that stops in an orderly way sends everything to its replicas before it ends.
    await old.stop('fast')
    const last = await readCheckpointPosition(old.dataDirectory)
    try {
      await poll(async () => (await next.receivedPosition()) > last, {
        what: `node ${next.name} to receive all that node ${old.name} has written`,
        timeoutMs: CAUGHT_UP_TIMEOUT_MS,
      })
    } catch (error) {
      await old.start()
      throw error
    }
    await next.promote()
    await old.startAsReplicaOf(next)
    return next
  }

  async failover(): Promise<ClusterNode> {
    const next = await this.#mostAdvancedReplica()
    await next.promote()
    return next
  }

  protected override async end(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.end()))
  }

  #replica(node: ClusterNode): ServerNode {
    const own = this.nodes.find((candidate) => candidate === node)
    if (own?.role.kind !== 'replica' || !own.responsive) {
      throw new TypeError(`node ${node.name} is not a running replica of this cluster`)
    }
    return own
  }

  async #mostAdvancedReplica(): Promise<ServerNode> {
    const candidates = this.replicas.filter((node) => node.responsive)
    const positions = await Promise.all(candidates.map((node) => node.receivedPosition()))
    let best: ServerNode | undefined
    let farthest = -1n
    for (const [index, node] of candidates.entries()) {
      if (positions[index]! > farthest) [best, farthest] = [node, positions[index]!]
    }
    if (best === undefined) {
      throw new Error('no replica of this cluster is running: start, thaw or rejoin one first')
    }
    return best
  }
}

function timeline(node: ServerNode): number {
  return node.role.kind === 'primary' ? node.role.timeline : 0
}
