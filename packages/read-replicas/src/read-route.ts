import type { Balancer } from './balancer.js'
import type { ReplicaNode } from './replica-node.js'
import type { ReplicaSet } from './replica-set.js'

/**
 * Chooses a replica for reads that accept data of one age. What follows from the nodes is kept until one of them changes or
 * grows too old, so that a choice costs two comparisons and the strategy.
 */
export class ReadRoute {
  /** Oldest data that reads on this route accept, in milliseconds. */
  readonly maxStalenessMs: number
  readonly #set: ReplicaSet
  readonly #balancer: Balancer
  readonly #zone: string | undefined
  #version = -1
  #validUntil = Number.NEGATIVE_INFINITY
  // Nodes of the own zone, or all that fit if there is none; the others wait for their turn in #spill.
  #fit: readonly ReplicaNode[] = []
  #spill: readonly ReplicaNode[] = []

  /** Looks at nothing before the first choice. */
  constructor(
    set: ReplicaSet,
    balancer: Balancer,
    zone: string | undefined,
    maxStalenessMs: number,
  ) {
    this.#set = set
    this.#balancer = balancer
    this.#zone = zone
    this.maxStalenessMs = maxStalenessMs
  }

  /** The replica for the next read, apart from those already tried; undefined if none fits. */
  choose(now: number, tried?: ReadonlySet<ReplicaNode>): ReplicaNode | undefined {
    const node = this.peek(now, tried)
    if (node !== undefined) this.#balancer.chosen(node)
    return node
  }

  /** What `choose` would return, without choosing. */
  peek(now: number, tried?: ReadonlySet<ReplicaNode>): ReplicaNode | undefined {
    if (this.#version !== this.#set.version || now >= this.#validUntil) this.#refresh(now)
    let nodes = this.#fit
    if (tried !== undefined && tried.size > 0) {
      nodes = nodes.filter((node) => !tried.has(node))
      if (nodes.length === 0) nodes = this.#spill.filter((node) => !tried.has(node))
    }
    return nodes.length === 0 ? undefined : this.#balancer.pick(nodes, now)
  }

  /** Whether a replica that was not tried fits now. */
  fits(now: number, tried?: ReadonlySet<ReplicaNode>): boolean {
    if (this.#version !== this.#set.version || now >= this.#validUntil) this.#refresh(now)
    const untried = (node: ReplicaNode): boolean => tried === undefined || !tried.has(node)
    return this.#fit.some(untried) || this.#spill.some(untried)
  }

  /** Whether a replica other than this one fits now. */
  fitsBeside(node: ReplicaNode, now: number): boolean {
    return this.#set.nodes.some(
      (other) => other !== node && whyUnfit(other, this.maxStalenessMs, now) === undefined,
    )
  }

  /** Whether the node is passed over for one of the own zone. */
  isSpill(node: ReplicaNode): boolean {
    return this.#spill.includes(node)
  }

  #refresh(now: number): void {
    const fit: ReplicaNode[] = []
    let validUntil = Number.POSITIVE_INFINITY
    for (const node of this.#set.nodes) {
      if (whyUnfit(node, this.maxStalenessMs, now) !== undefined) continue
      fit.push(node)
      validUntil = Math.min(validUntil, node.freshUntil(this.maxStalenessMs))
    }
    const local = this.#zone === undefined ? [] : fit.filter(({ zone }) => zone === this.#zone)
    this.#fit = local.length > 0 ? local : fit
    this.#spill = local.length > 0 ? fit.filter((node) => !local.includes(node)) : []
    this.#validUntil = validUntil
    this.#version = this.#set.version
  }
}

/** Why the node does not fit a read that accepts data of this age; undefined if it fits. */
export function whyUnfit(
  node: ReplicaNode,
  maxStalenessMs: number,
  now: number,
): string | undefined {
  if (node.unfit !== undefined) return node.unfit
  if (node.ejected !== undefined) return `it is ejected: ${node.ejected}`
  if (node.freshUntil(maxStalenessMs) > now) return undefined
  const staleness = node.stalenessAt(now)
  const more = node.freshness === undefined ? '' : `; ${node.freshness}`
  return staleness === undefined
    ? `how far it is behind is not known${more}`
    : `it may be ${Math.round(staleness)} ms behind, and the read accepts ${maxStalenessMs} ms${more}`
}
