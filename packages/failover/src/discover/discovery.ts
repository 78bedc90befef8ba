import type { Clock, ConnectionPool } from '@poolhouse/core'

/** A node as a discovery lists it. */
export interface DiscoveredNode {
  /** Name or address to connect to. */
  readonly host: string
  /** Port of PostgreSQL. */
  readonly port: number
  /** What its own cluster calls it, if that is known. */
  readonly name?: string | undefined
  /** Zone it lives in, for `withReplicas`. */
  readonly zone?: string | undefined
  /**
   * Its role as it is said to be. A hint: where it contradicts what the server says, the server is
   * probed at once and believed.
   */
  readonly role?: 'primary' | 'replica' | undefined
  /** Why it gets no reads as a replica, such as a tag of its operators. */
  readonly noReads?: string | undefined
}

/** What a discovery has found. */
export interface DiscoveryAnswer<Node extends DiscoveredNode = DiscoveredNode> {
  /**
   * Every node of the cluster, whatever its state. An empty list is taken for a mistake and changes
   * nothing.
   */
  readonly nodes: readonly Node[]
  /**
   * How long the answer may be used, in milliseconds, such as the time to live of a DNS record;
   * `Infinity` if it never changes. Default: the `intervalMs` of the source. Without a primary it
   * is asked for again after a second all the same.
   */
  readonly validMs?: number | undefined
}

/** What a discovery is given with each question. */
export interface DiscoveryContext {
  /** Aborted when the answer is not wanted any more. */
  readonly signal: AbortSignal
  /** Source of time. */
  readonly clock: Clock
}

/**
 * Lists the nodes of a cluster. `patroni`, `dns` and `hosts` are discoveries; so is any object of
 * this shape, for etcd, Consul or a cloud's interface.
 */
export interface Discovery<Node extends DiscoveredNode = DiscoveredNode> {
  /** What it is, for messages: `patroni(http://a:8008)`. Holds no secrets. */
  readonly name: string
  /**
   * Asks for the nodes. One question at a time; a source that can wait for news may take its time
   * with the second and later answers. A rejection is reported by an `error` event and changes
   * nothing.
   */
  next(context: DiscoveryContext): Promise<DiscoveryAnswer<Node>>
}

/** Where `withFailover` gets its nodes from when they are not listed once and for all. */
export interface DiscoveredNodes<Node extends DiscoveredNode = DiscoveredNode> {
  /** Lists the nodes. */
  readonly discover: Discovery<Node>
  /**
   * Makes the pool of a node. Called once for each node that appears; the failover pool closes it.
   */
  pool(node: Node): ConnectionPool
  /**
   * Time between two questions, in milliseconds, ± 20 %, where the answer does not say. Default 5
   * 000; 1 000 at most without a primary.
   */
  readonly intervalMs?: number | undefined
  /**
   * How long a node that is not listed any more may finish what it does before its pool is closed,
   * in milliseconds. Default 60 000. A node that is still the primary stays.
   */
  readonly removeAfterMs?: number | undefined
}

/** `host:port`, the identity of a discovered node. */
export function addressOf({ host, port }: DiscoveredNode): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`
}
