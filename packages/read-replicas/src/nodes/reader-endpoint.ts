import type { ConnectionPool, PoolListener, ServerIdentity } from '@poolhouse/core'
import { isRestarted, isSameServer, onlyTo } from '@poolhouse/core/kit'
import { ReplicaNode } from './replica-node.js'

/** Is told which servers a name leads to. */
export interface EndpointListener {
  /** The name leads to one more server. */
  joined(node: ReplicaNode): void
  /** No connection leads to the server any more, and the name leads to others. */
  parted(node: ReplicaNode): void
  /**
   * The node stands for another server than before. What was known of the former one no longer
   * counts.
   */
  moved(node: ReplicaNode): void
  /** The server of the node was restarted and may be behind what it had replayed. */
  restarted(node: ReplicaNode): void
  /** Whether one of its nodes can serve reads has changed. */
  changed(): void
}

/**
 * One name under which replicas answer: that of one server, or a reader endpoint (of a cloud
 * service, HAProxy, a Kubernetes Service) that leads each new connection to one of several servers.
 * Every connection says at its opening which server it leads to. So each server is a node of its
 * own: it uses only the connections to that server, and is sampled over one of them. What one
 * server says counts for no other.
 */
export class ReaderEndpoint {
  /** Connections to all servers of the name. */
  readonly pool: ConnectionPool
  readonly #zone: string | undefined
  readonly #listener: EndpointListener
  readonly #connected: PoolListener<'connect'>
  readonly #gone: () => void
  #nodes: ReplicaNode[]
  #isReviewing = false

  /** Begins with one node, which stands for the first server that is found. */
  constructor(pool: ConnectionPool, zone: string | undefined, listener: EndpointListener) {
    this.pool = pool
    this.#zone = zone
    this.#listener = listener
    this.#nodes = [this.#nodeFor(undefined)]
    this.#connected = ({ server }) => this.#leadsTo(server)
    this.#gone = () => this.#reviewSoon()
    pool.on('connect', this.#connected)
    pool.on('destroy', this.#gone)
  }

  /** Takes in the servers of connections that are open already. */
  begin(): void {
    for (const { server } of this.pool.servers?.() ?? []) this.#leadsTo(server)
  }

  /** One node for each server, at least one. */
  get nodes(): readonly ReplicaNode[] {
    return this.#nodes
  }

  /** Whether the name leads to several servers. */
  get leadsToSeveral(): boolean {
    return this.#nodes.length > 1
  }

  /** Stops looking at connections. */
  stop(): void {
    this.pool.off('connect', this.#connected)
    this.pool.off('destroy', this.#gone)
  }

  #nodeFor(server: ServerIdentity | undefined): ReplicaNode {
    const node: ReplicaNode = new ReplicaNode(
      onlyTo(this.pool, (candidate) => this.#accepts(node, candidate)),
      this.#zone,
    )
    node.server = server
    return node
  }

  /** Whether a connection to this server is one of the node's. */
  #accepts(node: ReplicaNode, server: ServerIdentity | undefined): boolean {
    const own = node.server
    // Servers behind a pooler cannot be told apart, nor can servers that do not identify
    // themselves.
    if (server === undefined) return own === undefined || this.pool.pooler !== undefined
    if (own === server || isSameServer(own, server)) return true
    if (this.#nodes.some((other) => other !== node && isSameServer(other.server, server)))
      return false
    if (own === undefined) {
      node.server = server
      return true
    }
    if (isFormerLife(own, server)) return false
    if (isRestarted(own, server)) {
      node.server = server
      this.#listener.restarted(node)
      this.#endFormerLife(own)
      return true
    }
    // The only server of the name is gone, and another one answers in its place.
    if (this.#nodes.length > 1 || node.sampler?.watching === true || this.#isInUse(node))
      return false
    node.server = server
    this.#listener.moved(node)
    return true
  }

  /**
   * Destroys connections to the server before its restart. They may not have noticed it yet, and
   * would take the room of new ones. In a microtask, because a pool must not be called from within
   * its own calls.
   */
  #endFormerLife(former: ServerIdentity): void {
    queueMicrotask(() => {
      const view = this.pool.onlyTo?.((server) => isSameServer(server, former))
      view?.destroyAll('its server was restarted')
    })
  }

  #leadsTo(server: ServerIdentity | undefined): void {
    const isOver = this.#nodes.some((node) => isFormerLife(node.server, server))
    if (
      server !== undefined &&
      !isOver &&
      !this.#nodes.some((node) => this.#accepts(node, server))
    ) {
      const node = this.#nodeFor(server)
      this.#nodes = [...this.#nodes, node]
      this.#listener.joined(node)
    }
    this.#reviewSoon()
  }

  /** Reviews once for a burst of connections: a node may have thousands. */
  #reviewSoon(): void {
    if (this.#isReviewing || !this.leadsToSeveral) return
    this.#isReviewing = true
    queueMicrotask(() => {
      this.#isReviewing = false
      this.#review()
    })
  }

  /**
   * While the name leads to several servers, nodes without connections serve no reads: a new
   * connection might lead to any of them.
   */
  #review(): void {
    if (!this.leadsToSeveral) return
    const used = new Set(this.#nodes.filter((node) => this.#isInUse(node)))
    for (const node of this.#nodes) {
      const isLast = used.size === 0 && node === this.#nodes[0]
      if (used.has(node) || isLast || node.sampler?.watching === true) continue
      this.#nodes = this.#nodes.filter((other) => other !== node)
      this.#listener.parted(node)
    }
    const several = this.leadsToSeveral && used.size > 0
    for (const node of this.#nodes)
      node.unfit = several && !used.has(node) ? 'no connection leads to it now' : undefined
    this.#listener.changed()
  }

  #isInUse({ server }: ReplicaNode): boolean {
    return this.pool.servers?.().some((one) => isSameServer(one.server, server)) === true
  }
}

/**
 * Whether `server` is the life of `own` before its restart. A connection to it has not noticed the
 * restart yet.
 */
function isFormerLife(
  own: ServerIdentity | undefined,
  server: ServerIdentity | undefined,
): boolean {
  if (own === undefined || server === undefined || !isRestarted(server, own)) return false
  return Number(server.startedAt) < Number(own.startedAt)
}
