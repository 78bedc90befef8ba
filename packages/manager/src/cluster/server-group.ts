import type { Clock, CloseOptions, Topology } from '@poolhouse/core'
import { staticTopology } from '@poolhouse/core'
import type { CheckedCloseOptions } from '@poolhouse/core/kit'
import { type DiscoveredNode, type FailoverPool, withFailover } from '@poolhouse/failover'
import { type ReplicaPool, withReplicas } from '@poolhouse/read-replicas'
import type { Budgets } from '../budget/budgets.js'
import type { DatabaseSpec, ServerSpec } from '../options/database-spec.js'
import type { DatabaseMember } from './database-member.js'
import { ListedServers } from './listed-servers.js'
import { ServerNode } from './server-node.js'

/** What every server group of a manager uses. */
export interface GroupParts {
  readonly budgets: Budgets
  readonly clock: Clock
  /** Source of randomness from 0 (included) to 1 (excluded). */
  readonly random: () => number
}

/**
 * The servers of one cluster and the pools that route over them, shared by every database and
 * tenant on it.
 */
export class ServerGroup {
  /**
   * Routes reads, and sends all other work to the primary. Must be called in the async context of
   * a member (see `memberOfCall`).
   */
  readonly routed: ReplicaPool
  /** Which server is the primary; undefined for a single server. */
  readonly topology: Topology | undefined
  /** The primary, where it is fixed. */
  readonly direct: ServerNode | undefined
  /** The only server, where there is one: everything but reads goes there without routing. */
  readonly only: ServerNode | undefined
  /** The pool that follows the primary, where it is followed. */
  readonly followed: FailoverPool | undefined
  /** The database that it was made for, in whose statistics its routing is told. */
  readonly base: DatabaseMember
  // By error: the node whose answer is missing.
  readonly #doubts = new WeakMap<object, string>()
  // Undefined where the servers are discovered or fixed.
  readonly #listed: ListedServers | undefined
  readonly #members = new Set<DatabaseMember>()
  readonly #parts: GroupParts
  #closing: Promise<void> | undefined

  /**
   * Starts to watch the servers, where there is more than one. `base` is the database that it was
   * made for: its sessions are those of the monitors.
   */
  constructor(spec: DatabaseSpec, base: DatabaseMember, parts: GroupParts) {
    const { budgets, clock, random } = parts
    const { name, kind, servers } = spec
    this.#parts = parts
    this.base = base
    this.#members.add(base)
    const database = spec.template.database ?? name
    const nodeOf = (server: ServerSpec): ServerNode =>
      new ServerNode(server, { database, pooler: spec.pool.pooler, base, budgets })
    const reads = { ...spec.reads, name, clock, random }
    if (kind === 'followed') {
      if (spec.discover === undefined) {
        this.#listed = new ListedServers()
        this.#listed.list(name, servers)
      }
      const primary = this.#follow(spec, nodeOf)
      this.followed = primary
      primary.on('in-doubt', ({ error, node }) => this.#doubts.set(error, node))
      this.topology = primary.topology
      this.#spreadAfterFailover(primary.topology)
      this.routed = withReplicas(primary, primary.topology, reads)
      return
    }
    const [primary, ...replicas] = servers.map(nodeOf)
    this.direct = primary!
    if (replicas.length === 0) this.only = primary!
    this.topology = kind === 'single' ? undefined : staticTopology({ primary: primary!, replicas })
    // A topology of the primary alone: without a server to compare it with, nothing is watched.
    const members = replicas.length === 0 ? staticTopology({ primary: primary! }) : replicas
    this.routed = withReplicas(primary!, members, reads)
  }

  /**
   * After each failover all processes that know the cluster want to connect at once, so their
   * connects are spread. The first primary is no failover.
   */
  #spreadAfterFailover(topology: Topology): void {
    let former: unknown
    topology.subscribe(({ primary, nodes }, previous) => {
      if (primary === undefined) return
      const isNew = former !== undefined && previous.primary?.pool !== primary.pool
      former = primary.pool
      if (isNew) for (const { endpoint } of nodes) this.#parts.budgets.spread(endpoint)
    })
  }

  #follow(spec: DatabaseSpec, nodeOf: (server: ServerSpec) => ServerNode): FailoverPool {
    const { name, template, failover } = spec
    const { clock, random } = this.#parts
    const discover = spec.discover ?? this.#listed!
    const pool = (node: DiscoveredNode): ServerNode => {
      const { host, port } = node
      return nodeOf(
        this.#listed?.at(node) ?? { host, port, connection: { ...template, host, port } },
      )
    }
    return withFailover({ discover, pool }, { ...failover, name, clock, random })
  }

  /** The node whose answer to the call with this error is missing. */
  doubtedAt(error: object): string {
    return this.#doubts.get(error) ?? this.direct?.name ?? this.routed.name
  }

  /**
   * Replaces the servers that one of its databases lists. A server that no database lists any more
   * finishes the calls it has.
   */
  list(database: string, servers: readonly ServerSpec[]): void {
    this.#listed?.list(database, servers)
  }

  /** Adds a database or tenant. */
  enter(member: DatabaseMember): void {
    this.#members.add(member)
  }

  /**
   * Removes a tenant. Resolves when its pools are closed; by default its waiting calls are served
   * first.
   */
  async exit(member: DatabaseMember, options: CloseOptions = { waiters: 'serve' }): Promise<void> {
    this.#members.delete(member)
    await member.close(options)
  }

  /** Closes the pools that route, and every pool below them. Idempotent. */
  close(options: CheckedCloseOptions): Promise<void> {
    this.#closing ??= this.#close(options)
    return this.#closing
  }

  async #close(options: CheckedCloseOptions): Promise<void> {
    const { clock } = this.#parts
    const deadline = clock.now() + options.timeoutMs
    const routed = await Promise.allSettled([this.routed.close(options)])
    // Only now: calls that were held there were served by the pools of the members.
    const left = { ...options, timeoutMs: Math.max(0, deadline - clock.now()) }
    const members = [...this.#members].map((member) => member.close(left))
    for (const end of [...routed, ...(await Promise.allSettled(members))])
      if (end.status === 'rejected') throw end.reason
  }
}
