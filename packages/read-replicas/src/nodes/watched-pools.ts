import type { ConnectionPool, Pool } from '@poolhouse/core'
import { messageOf } from '@poolhouse/core/kit'
import type { Background } from '../base/background.js'
import { isRefusal } from '../base/read-failure.js'
import type { History } from '../position/history.js'
import type { NodeSampler } from '../position/node-sampler.js'
import { watchConnects } from './connect-watch.js'
import type { Ejection } from './ejection.js'
import { LagMonitor } from './lag-monitor.js'
import type { Membership } from './membership.js'
import { type EndpointListener, ReaderEndpoint } from './reader-endpoint.js'
import type { ReplicaNode } from './replica-node.js'
import type { ReplicaSet } from './replica-set.js'

/** A name under which replicas answer. */
export interface ReplicaName {
  /** Connections to the servers that it leads to. */
  readonly pool: ConnectionPool
  /** Zone of its servers. */
  readonly zone: string | undefined
}

/**
 * Plain replica pools. No topology watches them, so this package finds out how fresh they are and
 * whether they are alive.
 */
export class WatchedPools implements Membership, EndpointListener {
  readonly owned: readonly ConnectionPool[]
  readonly standIn: undefined
  readonly topology: undefined
  readonly #primary: Pool
  readonly #set: ReplicaSet
  readonly #endpoints: readonly ReaderEndpoint[]
  readonly #ejection: Ejection
  readonly #monitor: LagMonitor
  readonly #unwatch: readonly (() => void)[]
  // Nodes whose connections have been destroyed and that have not answered since.
  readonly #dead = new Set<ReplicaNode>()

  /** Begins to watch at once. */
  constructor(
    primary: Pool,
    names: readonly ReplicaName[],
    options: { maxStalenessMs: number; random: () => number },
    background: Background,
    set: ReplicaSet,
    ejection: Ejection,
    history: History,
  ) {
    this.#primary = primary
    this.#set = set
    this.owned = names.map(({ pool }) => pool)
    this.#ejection = ejection
    this.#endpoints = names.map(({ pool, zone }) => new ReaderEndpoint(pool, zone, this))
    this.#unwatch = this.#endpoints.map((endpoint) =>
      watchConnects(endpoint.pool, (error) => this.#couldNotConnect(endpoint, error)),
    )
    this.#monitor = new LagMonitor(primary, options, background, history, {
      answered: (node) => this.#dead.delete(node),
      changed: () => set.touch(),
      unidentified: (node, reason) => {
        const { hub, name: pool } = background
        hub.emit('unidentified', { pool, node: node.node, reason })
      },
      strayed: (node, standing, facts) => {
        const { hub, name: pool } = background
        if (standing.kind === 'diverged') {
          const { systemId, timeline } = facts
          const { reason } = standing
          hub.emit('diverged', { pool, node: node.node, reason, systemId, timeline })
        } else if (standing.kind === 'foreign') {
          const systemId = facts.systemId!
          const expected = history.present!.systemId!
          hub.emit('foreign', { pool, node: node.node, systemId, expected })
        }
        // Reads under way on it would be answered from another history.
        node.pool.destroyAll(node.stray!)
      },
      failed: (node, error, dead) => this.#failed(node, error, dead),
    })
    set.replace(this.#nodes)
    for (const node of this.#nodes) this.#monitor.add(node)
    for (const endpoint of this.#endpoints) endpoint.begin()
  }

  get #nodes(): readonly ReplicaNode[] {
    return this.#endpoints.flatMap(({ nodes }) => nodes)
  }

  joined(node: ReplicaNode): void {
    this.#monitor.add(node)
    this.#set.replace(this.#nodes)
  }

  parted(node: ReplicaNode): void {
    this.#monitor.remove(node)
    this.#ejection.forget(node)
    this.#dead.delete(node)
    this.#set.replace(this.#nodes)
  }

  moved(node: ReplicaNode): void {
    this.#monitor.forget(node)
    this.#set.touch()
  }

  restarted(node: ReplicaNode): void {
    this.#monitor.restarted(node)
    // In a microtask, because this is called from within a call of the pool.
    queueMicrotask(() => this.#set.touch())
  }

  changed(): void {
    this.#set.touch()
  }

  // The monitor's own session breaks with the others, and then it samples at once.
  suspect(): void {}

  undecided(node: ReplicaNode): boolean {
    const { unfit, ejected, freshAt, freshness, failed } = node
    if (unfit !== undefined || ejected !== undefined || failed) return false
    return freshAt === undefined && freshness === undefined
  }

  samplerOf(pool: Pool): NodeSampler | undefined {
    if (pool === this.#primary) return this.#monitor.primary
    return this.#nodes.find((node) => node.pool === pool)?.sampler
  }

  stop(): void {
    this.#monitor.stop()
    for (const endpoint of this.#endpoints) endpoint.stop()
    for (const unwatch of this.#unwatch) unwatch()
  }

  /** A connection that could not be opened might have led to any server of the name. */
  #couldNotConnect({ nodes, leadsToSeveral }: ReaderEndpoint, error: unknown): void {
    for (const node of nodes) {
      if (leadsToSeveral && !isRefusal(error)) this.#ejection.question(node)
      else this.#failed(node, error, isRefusal(error))
    }
  }

  #failed(node: ReplicaNode, error: unknown, dead: boolean): void {
    this.#ejection.failed(node, error, dead)
    if (!dead || this.#dead.has(node)) return
    this.#dead.add(node)
    // Callers that wait for a connection to it would wait until their deadline; now they move on to
    // another node.
    node.pool.destroyAll(`the replica is down: ${messageOf(error)}`)
  }
}
