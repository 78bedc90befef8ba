import { describeValue } from '@poolhouse/core/kit'
import type { ReplicaNode } from '../nodes/replica-node.js'
import type { BalanceFunction, StrategyName } from '../options/replicas-options.js'

/** Chooses one of the nodes that fit, of which there is at least one. */
export interface Balancer {
  /** The choice at this moment. Changes nothing, so that `explainRoute` can use it too. */
  pick(nodes: readonly ReplicaNode[], now: number): ReplicaNode
  /** A read is sent to the node, which was chosen among these. */
  chosen(node: ReplicaNode, among: readonly ReplicaNode[]): void
}

/** Makes the balancer of a strategy. */
export function createBalancer(
  strategy: StrategyName | BalanceFunction,
  random: () => number,
  weights: ReadonlyMap<string, number> = new Map(),
): Balancer {
  if (typeof strategy === 'function') return new OwnBalancer(strategy)
  switch (strategy) {
    case 'leastBusy':
      return new LeastBusyBalancer(random)
    case 'roundRobin':
      return new RoundRobinBalancer()
    case 'random':
      return new RandomBalancer(random)
    case 'weighted':
      return new WeightedBalancer(weights)
  }
}

// Answer times within a factor of two count as equal. Otherwise the node that answers a little
// faster would get every read of a caller that sends one read after the other.
const SAME_SPEED = 2

class LeastBusyBalancer implements Balancer {
  readonly #random: () => number

  constructor(random: () => number) {
    this.#random = random
  }

  pick(nodes: readonly ReplicaNode[], now: number): ReplicaNode {
    const count = nodes.length
    if (count === 1) return nodes[0]!
    // Draws two different nodes in random order: the first, and its distance to the second.
    const first = Math.floor(this.#random() * count)
    const second = (first + 1 + Math.floor(this.#random() * (count - 1))) % count
    return lessBusy(nodes[first]!, nodes[second]!, now)
  }

  chosen(): void {}
}

/** The one that will answer sooner; the first if they are equal. */
function lessBusy(a: ReplicaNode, b: ReplicaNode, now: number): ReplicaNode {
  const msA = a.latency.expectedMs(now)
  const msB = b.latency.expectedMs(now)
  const sameSpeed = msA < msB * SAME_SPEED && msB < msA * SAME_SPEED
  const scoreA = (a.inFlight + 1) * (sameSpeed ? 1 : msA)
  const scoreB = (b.inFlight + 1) * (sameSpeed ? 1 : msB)
  return scoreB < scoreA ? b : a
}

class RoundRobinBalancer implements Balancer {
  #choices = 0

  // Picks the node that was chosen least recently among those that fit, and not the next in order:
  // the neighbour of a dead node must not get that node's share too.
  pick(nodes: readonly ReplicaNode[]): ReplicaNode {
    let best = nodes[0]!
    for (const node of nodes) if (node.lastChosen < best.lastChosen) best = node
    return best
  }

  chosen(node: ReplicaNode): void {
    node.lastChosen = ++this.#choices
  }
}

class RandomBalancer implements Balancer {
  readonly #random: () => number

  constructor(random: () => number) {
    this.#random = random
  }

  pick(nodes: readonly ReplicaNode[]): ReplicaNode {
    return nodes[Math.floor(this.#random() * nodes.length)]!
  }

  chosen(): void {}
}

/**
 * Smooth weighted round robin: with each choice every node earns its weight, and the chosen one
 * pays what all of them have earned. The shares are exact, and no node gets a burst of reads.
 */
class WeightedBalancer implements Balancer {
  readonly #weights: ReadonlyMap<string, number>
  readonly #earned = new WeakMap<ReplicaNode, number>()

  constructor(weights: ReadonlyMap<string, number>) {
    this.#weights = weights
  }

  pick(nodes: readonly ReplicaNode[]): ReplicaNode {
    let best = nodes[0]!
    let most = Number.NEGATIVE_INFINITY
    for (const node of nodes) {
      const weight = this.#weightOf(node)
      const worth = weight === 0 ? Number.NEGATIVE_INFINITY : this.#earnedBy(node) + weight
      if (worth > most) {
        best = node
        most = worth
      }
    }
    return best
  }

  chosen(chosen: ReplicaNode, among: readonly ReplicaNode[]): void {
    let total = 0
    for (const node of among) {
      const weight = this.#weightOf(node)
      total += weight
      this.#earned.set(node, this.#earnedBy(node) + weight)
    }
    this.#earned.set(chosen, this.#earnedBy(chosen) - total)
  }

  #weightOf(node: ReplicaNode): number {
    return this.#weights.get(node.node) ?? 1
  }

  #earnedBy(node: ReplicaNode): number {
    return this.#earned.get(node) ?? 0
  }
}

class OwnBalancer implements Balancer {
  readonly #choose: BalanceFunction

  constructor(choose: BalanceFunction) {
    this.#choose = choose
  }

  pick(nodes: readonly ReplicaNode[]): ReplicaNode {
    const choice: unknown = this.#choose(nodes)
    const node = nodes.find((candidate) => candidate === choice)
    if (node !== undefined) return node
    throw new TypeError(
      `withReplicas: the strategy function must return one of the candidates it was given, got ${describeValue(choice)}`,
    )
  }

  chosen(): void {}
}
