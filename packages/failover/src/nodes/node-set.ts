import type { ConnectionPool } from '@poolhouse/core'

/** What is known of a node beside what its server says. */
export interface NodeTraits {
  /** Zone it lives in. */
  readonly zone?: string | undefined
  /** Why it gets no reads as a replica, where whoever lists it says so. */
  readonly noReads?: string | undefined
}

/** A node as it is listed. */
export interface Member {
  readonly pool: ConnectionPool
  readonly zone: string | undefined
  readonly noReads: string | undefined
  /** Why it is about to be forgotten; undefined while it is listed. */
  readonly leaving: string | undefined
}

/**
 * The nodes there are, in order of appearance, and which of them are to get no new work. Knows
 * nothing of roles.
 */
export class NodeSet {
  readonly #members = new Map<string, Member>()
  // By name and not by member, so that a node which goes and comes back is still drained.
  readonly #drained = new Set<string>()

  /** Their pools. */
  get pools(): ConnectionPool[] {
    return Array.from(this, ({ pool }) => pool)
  }

  [Symbol.iterator](): MapIterator<Member> {
    return this.#members.values()
  }

  get(id: string): Member | undefined {
    return this.#members.get(id)
  }

  /** Takes a node in, or takes note of its traits, which ends that it is leaving. */
  put(pool: ConnectionPool, { zone, noReads }: NodeTraits = {}): void {
    this.#members.set(pool.name, { pool, zone, noReads, leaving: undefined })
  }

  /** Notes that a node is about to be forgotten. */
  leave(id: string, reason: string): void {
    const member = this.#members.get(id)
    if (member !== undefined) this.#members.set(id, { ...member, leaving: reason })
  }

  /** Forgets a node. */
  delete(id: string): void {
    this.#members.delete(id)
  }

  /** Whether an operator has drained it. */
  isDrained(id: string): boolean {
    return this.#drained.has(id)
  }

  /** Notes that an operator drains it, or does not any more. */
  setDrained(id: string, drained: boolean): void {
    if (drained) this.#drained.add(id)
    else this.#drained.delete(id)
  }

  /** The nodes that are to get no new work as replicas, and why. */
  withheld(): Map<string, string> {
    const found = new Map<string, string>()
    for (const [id, { leaving, noReads }] of this.#members) {
      const why = this.#drained.has(id) ? 'drained by an operator' : (leaving ?? noReads)
      if (why !== undefined) found.set(id, why)
    }
    return found
  }

  /** The nodes that an operator has drained. */
  drained(): ReadonlySet<string> {
    return new Set(this.#drained)
  }

  /** The nodes that are about to be forgotten. */
  leaving(): Set<string> {
    const ids = new Set<string>()
    for (const [id, { leaving }] of this.#members) if (leaving !== undefined) ids.add(id)
    return ids
  }
}
