import type { ReplicaNode } from './replica-node.js'

/**
 * The servers that may serve reads. It knows who they are and when anything about them changed;
 * what is known of each one stands on the node.
 */
export class ReplicaSet {
  readonly #listeners: (() => void)[] = []
  #nodes: readonly ReplicaNode[] = []
  #version = 0

  /** Every node, fit or not. */
  get nodes(): readonly ReplicaNode[] {
    return this.#nodes
  }

  /** Grows with every change: whoever keeps something that follows from the nodes compares it. */
  get version(): number {
    return this.#version
  }

  /** Other nodes from now on. */
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
