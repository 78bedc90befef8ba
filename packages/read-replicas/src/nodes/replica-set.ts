import type { ReplicaNode } from './replica-node.js'

/**
 * The servers that may serve reads. It knows the nodes and when anything about them has changed;
 * what is known of each one is on the node.
 */
export class ReplicaSet {
  readonly #listeners: (() => void)[] = []
  #nodes: readonly ReplicaNode[] = []
  #version = 0

  /** Every node, fit or not. */
  get nodes(): readonly ReplicaNode[] {
    return this.#nodes
  }

  /** Grows with every change, so that a route knows when its choice of nodes is outdated. */
  get version(): number {
    return this.#version
  }

  /** Replaces the nodes. */
  replace(nodes: readonly ReplicaNode[]): void {
    this.#nodes = nodes
    this.touch()
  }

  /** Something about a node has changed. */
  touch(): void {
    this.#version++
    for (const listener of this.#listeners) listener()
  }

  /** Calls `listener` after each change. */
  onChange(listener: () => void): void {
    this.#listeners.push(listener)
  }
}
