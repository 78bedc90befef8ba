import type { ReplicaNode } from '../nodes/replica-node.js'
import type { ReplicaSet } from '../nodes/replica-set.js'
import type { ReadTerms } from '../options/replicas-config.js'
import type { Balancer } from './balancer.js'

/** What all routes of a pool have in common. */
export interface RouteSetting {
  readonly set: ReplicaSet
  readonly balancer: Balancer
  readonly zone: string | undefined
  readonly slowStartMs: number
  readonly maxReadsPerNode: number
  readonly random: () => number
}

// Replicas of other zones are used too once our reads use more of each local replica's connections
// than this.
const SPILL_LOAD = 0.8

/**
 * Chooses a replica for reads with the same terms. The list of nodes that fit is kept until a node
 * changes or grows too old, so that a choice costs two comparisons and the strategy.
 */
export class ReadRoute {
  /** What reads on this route accept. */
  readonly terms: ReadTerms
  readonly #setting: RouteSetting
  #version = -1
  #validUntil = Number.NEGATIVE_INFINITY
  // The nodes that fit: those of the own zone if there are any, with the others in #spill; else
  // all.
  #fit: readonly ReplicaNode[] = []
  #spill: readonly ReplicaNode[] = []
  // Whether all of #fit may be chosen without a look at each node.
  #plain = true

  /** Looks at no node before the first choice. */
  constructor(setting: RouteSetting, terms: ReadTerms) {
    this.#setting = setting
    this.terms = terms
  }

  /**
   * Chooses the replica for the next read, leaving out those that were tried or are not admitted.
   * Undefined if none fits.
   */
  choose(
    now: number,
    tried?: ReadonlySet<ReplicaNode>,
    admits?: (node: ReplicaNode) => boolean,
  ): ReplicaNode | undefined {
    const nodes = this.#candidates(now, tried, admits)
    if (nodes.length === 0) return undefined
    const node = this.#setting.balancer.pick(nodes, now)
    this.#setting.balancer.chosen(node, nodes)
    return node
  }

  /** What `choose` would return, without choosing. */
  peek(now: number): ReplicaNode | undefined {
    const nodes = this.#candidates(now, undefined, undefined)
    return nodes.length === 0 ? undefined : this.#setting.balancer.pick(nodes, now)
  }

  /** Whether a replica that was not tried fits now. */
  fits(now: number, tried?: ReadonlySet<ReplicaNode>): boolean {
    this.#look(now)
    if (this.#plain && (tried === undefined || tried.size === 0)) return this.#fit.length > 0
    return this.fitting(now, tried).length > 0
  }

  /** The replicas that were not tried and fit now. */
  fitting(now: number, tried?: ReadonlySet<ReplicaNode>): readonly ReplicaNode[] {
    this.#look(now)
    const usable = (node: ReplicaNode): boolean => tried?.has(node) !== true && !this.isFull(node)
    return [...this.#fit, ...this.#spill].filter(usable)
  }

  /** Whether this replica fits now. */
  admits(node: ReplicaNode, now: number): boolean {
    this.#look(now)
    return (this.#fit.includes(node) || this.#spill.includes(node)) && !this.isFull(node)
  }

  /** Whether a replica other than this one fits now. */
  fitsBeside(node: ReplicaNode, now: number): boolean {
    return this.#setting.set.nodes.some(
      (other) => other !== node && whyUnfit(other, this.terms, now) === undefined,
    )
  }

  /** Whether the node is passed over in favour of those in the own zone. */
  isSpill(node: ReplicaNode): boolean {
    return this.#spill.includes(node)
  }

  /** Whether the node has `maxReadsPerNode` reads already. */
  isFull(node: ReplicaNode): boolean {
    return node.inFlight >= this.#setting.maxReadsPerNode
  }

  #candidates(
    now: number,
    tried: ReadonlySet<ReplicaNode> | undefined,
    admits: ((node: ReplicaNode) => boolean) | undefined,
  ): readonly ReplicaNode[] {
    this.#look(now)
    const untried = tried === undefined || tried.size === 0
    if (this.#plain && untried && admits === undefined) return this.#fit
    const usable = (node: ReplicaNode): boolean =>
      tried?.has(node) !== true && !this.isFull(node) && (admits === undefined || admits(node))
    let nodes = this.#fit.filter(usable)
    if (this.#spill.length > 0 && nodes.every(isLoaded)) {
      nodes = [...nodes, ...this.#spill.filter(usable)]
    }
    return this.#warm(nodes, now)
  }

  /** Leaves out nodes that warm up, at random in proportion to the share that they lack. */
  #warm(nodes: ReplicaNode[], now: number): readonly ReplicaNode[] {
    const { slowStartMs, random } = this.#setting
    if (nodes.every((node) => node.shareAt(now, slowStartMs) === 1)) return nodes
    const warm = nodes.filter((node) => {
      const share = node.shareAt(now, slowStartMs)
      return share === 1 || random() < share
    })
    return warm.length > 0 ? warm : nodes
  }

  #look(now: number): void {
    if (this.#version !== this.#setting.set.version || now >= this.#validUntil) this.#refresh(now)
  }

  #refresh(now: number): void {
    const { set, zone, slowStartMs, maxReadsPerNode } = this.#setting
    const fit: ReplicaNode[] = []
    let validUntil = Number.POSITIVE_INFINITY
    let warming = false
    for (const node of set.nodes) {
      if (whyUnfit(node, this.terms, now) !== undefined) continue
      fit.push(node)
      validUntil = Math.min(validUntil, node.freshUntil(this.terms.maxStalenessMs))
      if (node.shareAt(now, slowStartMs) < 1) {
        warming = true
        validUntil = Math.min(validUntil, node.returnedAt + slowStartMs)
      }
      if (zone !== undefined) node.capacity = node.pool.stats().max
    }
    const local = zone === undefined ? [] : fit.filter((node) => node.zone === zone)
    this.#fit = local.length > 0 ? local : fit
    this.#spill = local.length > 0 ? fit.filter((node) => !local.includes(node)) : []
    this.#plain =
      !warming && this.#spill.length === 0 && maxReadsPerNode === Number.POSITIVE_INFINITY
    this.#validUntil = validUntil
    this.#version = set.version
  }
}

// Calls with terms of their own get a route each. Beyond this many, all of these are dropped.
const MOST_ROUTES = 32

/** The routes of a pool: one for each set of terms. */
export class ReadRoutes {
  /** The route of reads without terms of their own. */
  readonly standard: ReadRoute
  readonly #setting: RouteSetting
  readonly #routes = new Map<string, ReadRoute>()

  /** Makes the standard route. */
  constructor(setting: RouteSetting, terms: ReadTerms) {
    this.#setting = setting
    this.standard = new ReadRoute(setting, terms)
  }

  /** The route of reads on these terms. */
  of(terms: ReadTerms): ReadRoute {
    const { maxStalenessMs, maxStalenessBytes, whenStale } = terms
    const key = [maxStalenessMs, maxStalenessBytes, whenStale.waitMs, whenStale.otherwise].join()
    let route = this.#routes.get(key)
    if (route === undefined) {
      if (this.#routes.size >= MOST_ROUTES) this.#routes.clear()
      route = new ReadRoute(this.#setting, terms)
      this.#routes.set(key, route)
    }
    return route
  }
}

function isLoaded(node: ReplicaNode): boolean {
  return (node.inFlight + 1) / node.capacity > SPILL_LOAD
}

/** Why the node does not fit a read on these terms; undefined if it fits. */
export function whyUnfit(node: ReplicaNode, terms: ReadTerms, now: number): string | undefined {
  if (node.unfit !== undefined) return node.unfit
  if (node.stray !== undefined) return node.stray
  if (node.ejected !== undefined) return `it is ejected: ${node.ejected}`
  const { maxStalenessMs, maxStalenessBytes } = terms
  const more = node.freshness === undefined ? '' : `; ${node.freshness}`
  if (node.freshUntil(maxStalenessMs) <= now) {
    const staleness = node.stalenessAt(now)
    return staleness === undefined
      ? `how far it is behind is not known${more}`
      : `it may be ${Math.round(staleness)} ms behind, and the read accepts ${maxStalenessMs} ms${more}`
  }
  if (maxStalenessBytes === Number.POSITIVE_INFINITY) return undefined
  const { bytesBehind } = node
  if (bytesBehind === undefined) return `how many bytes it is behind is not known${more}`
  return bytesBehind <= maxStalenessBytes
    ? undefined
    : `it is ${bytesBehind} bytes behind, and the read accepts ${maxStalenessBytes}${more}`
}
