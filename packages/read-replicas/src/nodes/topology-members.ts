import type {
  ConnectionPool,
  ServerIdentity,
  Topology,
  TopologyNode,
  TopologySnapshot,
} from '@poolhouse/core'
import { isSameServer, onlyTo, type ServerLife } from '@poolhouse/core/kit'
import type { Background } from '../base/background.js'
import { watchConnects } from './connect-watch.js'
import type { Ejection } from './ejection.js'
import type { Membership } from './membership.js'
import { ReplicaNode } from './replica-node.js'
import type { ReplicaSet } from './replica-set.js'

interface Member {
  readonly node: ReplicaNode
  readonly isOf: OneServer
  readonly unwatch: () => void
}

/**
 * The server that the topology has probed for a node. The node's name may lead to another server by
 * now, of which nothing is known. So only connections to the probed server may serve reads.
 */
class OneServer {
  #server: ServerLife | undefined
  // The last identity that was accepted. Connections to one server share one such object.
  #accepted: ServerIdentity | undefined

  /** Sets the server; undefined where it is not known. Returns whether it replaces another one. */
  set(server: ServerLife | undefined): boolean {
    const isSame = server === undefined || isSameServer(this.#server, server)
    if (isSame) return false
    const isNews = this.#server !== undefined
    this.#server = server
    this.#accepted = undefined
    return isNews
  }

  /**
   * Whether a connection leads to the server. A server that does not identify itself is accepted.
   */
  accepts(candidate: ServerIdentity | undefined): boolean {
    if (candidate === this.#accepted && candidate !== undefined) return true
    const server = this.#server
    if (server === undefined || candidate?.startedAt === undefined) return true
    if (!isSameServer(server, candidate)) return false
    this.#accepted = candidate
    return true
  }
}

/** The nodes of a topology. Any of them may become a replica, so each is a member, fit or not. */
export class TopologyMembers implements Membership {
  readonly owned: readonly ConnectionPool[] = []
  readonly topology: Topology
  readonly #background: Background
  readonly #set: ReplicaSet
  readonly #ejection: Ejection
  readonly #unsubscribe: () => void
  #members = new Map<string, Member>()
  #refreshing = false

  /** Takes over the present snapshot and follows the later ones. */
  constructor(topology: Topology, background: Background, set: ReplicaSet, ejection: Ejection) {
    this.topology = topology
    this.#background = background
    this.#set = set
    this.#ejection = ejection
    this.#unsubscribe = topology.subscribe((snapshot) => this.#follow(snapshot))
    this.#follow(topology.current)
  }

  get standIn(): TopologyNode | undefined {
    const { primary, nodes } = this.topology.current
    return primary === undefined
      ? nodes.find(({ state }) => state === 'primary-read-only')
      : undefined
  }

  undecided(node: ReplicaNode): boolean {
    if (node.ejected !== undefined) return false
    const seen = this.topology.current.nodes.find(({ pool }) => pool === node.origin)
    return seen?.state === 'unknown' || (seen?.state === 'replica' && seen.lag?.ms === undefined)
  }

  suspect(node: ReplicaNode): void {
    if (this.#refreshing) return
    this.#refreshing = true
    this.#background.run(async () => {
      try {
        await this.topology.refresh(`a read failed on "${node.node}"`)
      } finally {
        this.#refreshing = false
      }
    })
  }

  samplerOf(): undefined {}

  stop(): void {
    this.#unsubscribe()
    for (const { unwatch } of this.#members.values()) unwatch()
  }

  #follow(snapshot: TopologySnapshot): void {
    const before = this.#members
    const members = new Map<string, Member>()
    for (const seen of snapshot.nodes) {
      const known = before.get(seen.id)
      const member = known?.node.origin === seen.pool ? known : this.#join(seen)
      members.set(seen.id, member)
      this.#update(member, seen)
    }
    this.#members = members
    for (const [id, member] of before) if (members.get(id) !== member) this.#leave(member)
    this.#set.replace([...members.values()].map(({ node }) => node))
  }

  #update({ node, isOf }: Member, seen: TopologyNode): void {
    // What the former server said of itself does not hold for this one.
    if (isOf.set(seen.server)) node.sampler?.giveUp(`another server answers for "${node.node}"`)
    const wasUnfit = node.unfit !== undefined
    const why = seen.reason === '' ? seen.state : `${seen.state} (${seen.reason})`
    node.unfit = seen.state === 'replica' ? undefined : `it is ${why}`
    const { lag } = seen
    const now = this.#background.now()
    node.reportedLagMs = lag?.ms
    node.reportedAt = lag?.still === true ? undefined : Math.min(lag?.at ?? now, now)
    node.bytesBehind = lag?.bytes
    node.freshness = seen.lag?.ms === undefined && seen.reason !== '' ? seen.reason : undefined
    if (wasUnfit && node.unfit === undefined) {
      this.#ejection.admit(node, 'the topology sees a replica again')
    }
  }

  #join(seen: TopologyNode): Member {
    const isOf = new OneServer()
    const view = onlyTo(seen.pool, (candidate) => isOf.accepts(candidate))
    const node = new ReplicaNode(view, seen.zone, seen.pool)
    const unwatch = watchConnects(seen.pool, (error) => {
      if (node.unfit === undefined) this.#ejection.failed(node, error)
    })
    return { node, isOf, unwatch }
  }

  #leave({ node, unwatch }: Member): void {
    unwatch()
    this.#ejection.forget(node)
  }
}
