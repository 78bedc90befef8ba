import type { ConnectionPool } from '@poolhouse/core'

/** What a discovery says about a node, as opposed to what its server says. */
export interface NodeTraits {
  /** Zone it lives in. */
  readonly zone?: string | undefined
  /** Why it gets no reads as a replica, if the discovery says so. */
  readonly noReads?: string | undefined
}

/** A node of the set. */
export interface NodeEntry {
  readonly pool: ConnectionPool
  readonly zone: string | undefined
  readonly noReads: string | undefined
  /** Why it is about to be removed; undefined while it is listed. */
  readonly leaving: string | undefined
}

/**
 * Owns which nodes there are, in order of appearance, and which of them get no new work. Knows
 * nothing of roles.
 */
export class NodeSet {
  readonly #entries = new Map<string, NodeEntry>()
  // By name, so that a node that leaves and comes back is still drained.
  readonly #drained = new Set<string>()

  /** The pools of the nodes. */
  get pools(): ConnectionPool[] {
    return Array.from(this, ({ pool }) => pool)
  }

  [Symbol.iterator](): MapIterator<NodeEntry> {
    return this.#entries.values()
  }

  /** The node of this name. */
  get(id: string): NodeEntry | undefined {
    return this.#entries.get(id)
  }

  /** Adds a node, or updates its traits. A node that was leaving stays. */
  put(pool: ConnectionPool, { zone, noReads }: NodeTraits = {}): void {
    this.#entries.set(pool.name, { pool, zone, noReads, leaving: undefined })
  }

  /** Notes that a node is about to be removed, and why. */
  leave(id: string, reason: string): void {
    const entry = this.#entries.get(id)
    if (entry !== undefined) this.#entries.set(id, { ...entry, leaving: reason })
  }

  /** Removes a node. */
  delete(id: string): void {
    this.#entries.delete(id)
  }

  /** Whether an operator has drained the node. */
  isDrained(id: string): boolean {
    return this.#drained.has(id)
  }

  /** Notes that an operator drains the node, or does not any more. */
  setDrained(id: string, drained: boolean): void {
    if (drained) this.#drained.add(id)
    else this.#drained.delete(id)
  }

  /** The nodes that get no new work as replicas, each with the reason. */
  withheld(): Map<string, string> {
    const found = new Map<string, string>()
    for (const [id, { leaving, noReads }] of this.#entries) {
      const why = this.#drained.has(id) ? 'drained by an operator' : (leaving ?? noReads)
      if (why !== undefined) found.set(id, why)
    }
    return found
  }

  /** The nodes that an operator has drained. */
  drained(): ReadonlySet<string> {
    return new Set(this.#drained)
  }

  /** The nodes that are about to be removed. */
  leaving(): Set<string> {
    const ids = new Set<string>()
    for (const [id, { leaving }] of this.#entries) if (leaving !== undefined) ids.add(id)
    return ids
  }
}
