import type { Clock, ConnectionPool } from '@poolhouse/core'

/** A node as a discovery lists it. */
export interface DiscoveredNode {
  /** Name or address to connect to. */
  readonly host: string
  /** Port of PostgreSQL. */
  readonly port: number
  /** Its name within the cluster, if known. */
  readonly name?: string | undefined
  /** Zone it lives in, for `withReplicas`. */
  readonly zone?: string | undefined
  /**
   * Its role according to the discovery. Only a hint: where it contradicts the server, the server
   * is probed at once, and the server's answer counts.
   */
  readonly role?: 'primary' | 'replica' | undefined
  /** Why it gets no reads as a replica, for example a tag that the operators set. */
  readonly noReads?: string | undefined
}

/** Answer of a discovery. */
export interface DiscoveryAnswer<Node extends DiscoveredNode = DiscoveredNode> {
  /**
   * Every node of the cluster, whatever its state. An empty list counts as a failure and changes
   * nothing.
   */
  readonly nodes: readonly Node[]
  /**
   * How long the answer is valid, in milliseconds, for example the time to live of a DNS record;
   * `Infinity` if it never changes. Default: the `intervalMs` of the source. While there is no
   * primary, discovery is asked again after a second at most.
   */
  readonly validMs?: number | undefined
}

/** What `Discovery.next` gets with each call. */
export interface DiscoveryContext {
  /** Fires when the answer is not needed any more. */
  readonly signal: AbortSignal
  /** Source of time. */
  readonly clock: Clock
}

/**
 * Lists the nodes of a cluster. `patroni`, `pgAutoFailover`, `dns` and `hosts` make discoveries.
 * Any object of this shape is one too, for example for etcd, Consul or the API of a cloud.
 */
export interface Discovery<Node extends DiscoveredNode = DiscoveredNode> {
  /** Name in messages, such as `patroni(http://a:8008)`. Must not contain secrets. */
  readonly name: string
  /**
   * Lists the nodes. Only one call is under way at a time; a source that can wait for changes may
   * delay its second and later answers. A rejection is reported by an `error` event and leaves the
   * nodes as they are.
   *
   * @example
   * const fixed: Discovery = {
   *   name: 'fixed',
   *   next: async () => ({ nodes: [{ host: 'a', port: 5432 }, { host: 'b', port: 5432 }] }),
   * }
   */
  next(context: DiscoveryContext): Promise<DiscoveryAnswer<Node>>
}

/**
 * Nodes that `withFailover` discovers, as opposed to a fixed list.
 *
 * @example
 * const db = withFailover({
 *   discover: hosts('postgres://app@a,b,c/shop'),
 *   pool: ({ connection }) => createPool({ driver, connection }),
 *   intervalMs: 2_000,
 *   removeAfterMs: 30_000,
 * })
 */
export interface DiscoveredNodes<Node extends DiscoveredNode = DiscoveredNode, Raw = unknown> {
  /** Lists the nodes. */
  readonly discover: Discovery<Node>
  /**
   * Makes the pool of a node. Called once for each node that appears. The failover pool closes the
   * pool.
   */
  pool(node: Node): ConnectionPool<Raw>
  /**
   * Time between two calls of `discover.next`, in milliseconds, ± 20 %, unless the answer says how
   * long it is valid. Default 5 000; at most 1 000 while there is no primary.
   */
  readonly intervalMs?: number | undefined
  /**
   * How long the pool of a node that is not listed any more stays open for the work under way on
   * it, in milliseconds. Default 60 000. The primary always stays.
   */
  readonly removeAfterMs?: number | undefined
}

/** `host:port`, which identifies a discovered node. */
export function addressOf({ host, port }: DiscoveredNode): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`
}
