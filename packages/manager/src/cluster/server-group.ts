import type { Clock, CloseOptions, Endpoint, Pool, Pooler, Topology } from '@poolhouse/core'
import { staticTopology } from '@poolhouse/core'
import type { CheckedCloseOptions } from '@poolhouse/core/kit'
import {
  type DiscoveredNode,
  type Discovery,
  type FailoverOptions,
  type FailoverPool,
  withFailover,
} from '@poolhouse/failover'
import { type ReplicaPool, type ReplicasOptions, withReplicas } from '@poolhouse/read-replicas'
import type { ServerSpec } from '../options/server-spec.js'
import type { Member } from './database-member.js'
import { ListedServers } from './listed-servers.js'
import { type NodeHost, ServerNode } from './server-node.js'

/** What a cluster is made of. */
export interface ClusterSpec {
  /** Name for messages and events. */
  readonly name: string
  /**
   * One server, a primary and its replicas (the first is the primary), or the nodes of a cluster
   * whose primary is followed.
   */
  readonly kind: 'single' | 'replicated' | 'followed'
  readonly servers: readonly ServerSpec[]
  /** Lists the servers of a followed cluster in their place. */
  readonly discover: Discovery<DiscoveredNode> | undefined
  /** Makes a server of what was discovered. */
  readonly discovered: (node: DiscoveredNode) => ServerSpec
  readonly database: string
  readonly pooler: Pooler | undefined
  readonly failover: Omit<FailoverOptions, 'name' | 'clock' | 'random'>
  readonly reads: Omit<ReplicasOptions, 'name' | 'clock' | 'random'>
  readonly clock: Clock
  readonly random: () => number
}

/** What a cluster needs of the budgets of its servers. */
export interface ClusterBudget {
  /** Most connections that this process may have at a server. */
  limitOf(endpoint: Endpoint): number
  /** Every process may want connections to the server now. */
  spread(endpoint: Endpoint): void
}

/**
 * The servers of one cluster and the pools that route over them, shared by every database and
 * tenant on it.
 */
export class Cluster {
  /**
   * Routes reads, and all other work to the primary. Calls must be made in the context of a member.
   */
  readonly routed: ReplicaPool
  /** Who is primary; undefined for a single server. */
  readonly topology: Topology | undefined
  /** The primary, if it will never be another one. */
  readonly direct: ServerNode | undefined
  /** The only server, where there is one: whatever is no read goes there straight away. */
  readonly only: ServerNode | undefined
  /** The pool that follows the primary, where it is followed. */
  readonly followed: FailoverPool | undefined
  // At which node the outcome of a call was left open.
  readonly #doubts = new WeakMap<object, string>()
  // The list of servers, where it is not discovered.
  readonly #listed: ListedServers | undefined
  readonly #members = new Set<Member>()
  readonly #clock: Clock
  readonly #budget: ClusterBudget
  #closing: Promise<void> | undefined

  /** Begins to watch the servers, if there is something to watch. */
  constructor(spec: ClusterSpec, base: Member, budget: ClusterBudget) {
    const { name, clock, random } = spec
    this.#clock = clock
    this.#budget = budget
    this.#members.add(base)
    const host: NodeHost = { base, limitOf: (endpoint) => this.#budget.limitOf(endpoint) }
    const nodeOf = (server: ServerSpec): ServerNode =>
      new ServerNode(server, spec.database, spec.pooler, host)
    const reads = { ...spec.reads, name, clock, random }
    if (spec.kind === 'followed') {
      if (spec.discover === undefined) {
        this.#listed = new ListedServers()
        this.#listed.list(name, spec.servers)
      }
      const primary = this.#follow(spec, nodeOf)
      this.followed = primary
      primary.on('in-doubt', ({ error, node }) => this.#doubts.set(error, node))
      this.topology = primary.topology
      this.#spreadAfterFailover(primary.topology)
      this.routed = withReplicas(primary, primary.topology, reads)
      return
    }
    const [primary, ...replicas] = spec.servers.map(nodeOf)
    this.direct = primary!
    if (replicas.length === 0) this.only = primary!
    this.topology =
      spec.kind === 'single' ? undefined : staticTopology({ primary: primary!, replicas })
    // With a topology of the primary alone nothing is watched: there is nobody to compare it with.
    const members = replicas.length === 0 ? staticTopology({ primary: primary! }) : replicas
    this.routed = withReplicas(primary!, members, reads)
  }

  /**
   * Whenever there is a primary again, all processes that know the cluster want to connect at once.
   * The first one of all is no such moment.
   */
  #spreadAfterFailover(topology: Topology): void {
    let former: unknown
    topology.subscribe(({ primary, nodes }, previous) => {
      if (primary === undefined) return
      const isNew = former !== undefined && previous.primary?.pool !== primary.pool
      former = primary.pool
      if (isNew) for (const { endpoint } of nodes) this.#budget.spread(endpoint)
    })
  }

  #follow(spec: ClusterSpec, nodeOf: (server: ServerSpec) => ServerNode): FailoverPool {
    const { name, clock, random, discovered } = spec
    const options = { ...spec.failover, name, clock, random }
    const discover = spec.discover ?? this.#listed!
    const pool = (node: DiscoveredNode): ServerNode =>
      nodeOf(this.#listed?.at(node) ?? discovered(node))
    return withFailover({ discover, pool }, options)
  }

  /** The node behind a pool of the topology. */
  static nodeOf(pool: Pool | undefined): ServerNode | undefined {
    return pool instanceof ServerNode ? pool : undefined
  }

  /** The node that left the outcome of a call open. */
  doubtedAt(error: object): string {
    return this.#doubts.get(error) ?? this.direct?.name ?? this.routed.name
  }

  /**
   * One of its databases lists its servers anew: what is not listed any more finishes what it does.
   */
  list(database: string, servers: readonly ServerSpec[]): void {
    this.#listed?.list(database, servers)
  }

  /** One more database or tenant. */
  enter(member: Member): void {
    this.#members.add(member)
  }

  /**
   * A tenant is gone. Resolves when its pools are closed; by default whoever waits there is served
   * first.
   */
  async exit(member: Member, options: CloseOptions = { waiters: 'serve' }): Promise<void> {
    this.#members.delete(member)
    await member.close(options)
  }

  /** Closes the pools that route, and every pool below them. Idempotent. */
  close(options: CheckedCloseOptions): Promise<void> {
    this.#closing ??= this.#close(options)
    return this.#closing
  }

  async #close(options: CheckedCloseOptions): Promise<void> {
    const clock = this.#clock
    const deadline = clock.now() + options.timeoutMs
    const routed = await Promise.allSettled([this.routed.close(options)])
    // Calls that were held there have been served by the pools of the members.
    const left = { ...options, timeoutMs: Math.max(0, deadline - clock.now()) }
    const members = [...this.#members].map((member) => member.close(left))
    for (const end of [...routed, ...(await Promise.allSettled(members))])
      if (end.status === 'rejected') throw end.reason
  }
}
