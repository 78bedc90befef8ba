import type { ServerIdentity } from '@poolhouse/core'
import type { BudgetedPool } from '@poolhouse/core/kit'
import { isRestarted, isSameServer } from '@poolhouse/core/kit'
import type { ServerBudget } from './server-budget.js'

/**
 * One host and port as configured, and the servers that it leads to. Until the first connection
 * there has said which server it is, the name has a budget of its own and may open one connection:
 * it may be another name of a server whose budget is used up. Names that lead to one server share
 * one budget from then on. A name that leads to several servers shares that of each of them, so
 * that none of them has more than its limit. Behind a pooler, and where the server does not say who
 * it is, the name stands for the server.
 */
export class Place {
  /** `host:port`. */
  readonly name: string
  /** The budget that its pools share, with those of the server's other names. */
  budget: ServerBudget
  /** Most connections as the server said, where it was asked. */
  learned: number | undefined
  /** Whether a connection has said where the name leads, or that it does not know. */
  known = false
  readonly #pools = new Set<BudgetedPool>()
  #servers: readonly ServerIdentity[] = []

  /** Knows no server yet. */
  constructor(name: string, budget: ServerBudget) {
    this.name = name
    this.budget = budget
  }

  /**
   * A pool begins to use it. Returns whether nothing more can be learnt of it: the pool goes
   * through a pooler.
   */
  join(pool: BudgetedPool): boolean {
    this.#pools.add(pool)
    if (this.known || pool.pooler === undefined) return false
    this.known = true
    return true
  }

  /** A pool uses it no longer. */
  leave(pool: BudgetedPool): void {
    this.#pools.delete(pool)
  }

  /** Whether it leads to several servers, or did. */
  get leadsToSeveral(): boolean {
    return this.#servers.length > 1
  }

  /** A connection leads to this server. Returns whether that is news. */
  leadsTo(server: ServerIdentity | undefined): boolean {
    const wasKnown = this.known
    this.known = true
    // One that does not say when it was started is told from no other.
    if (server?.startedAt === undefined) return !wasKnown
    if (this.#servers.some((one) => isSameServer(one, server))) return !wasKnown
    this.#servers = [...this.#servers.filter((one) => !isRestarted(one, server)), server]
    return true
  }

  /**
   * Forgets the servers that none of its connections leads to any more, but for the last one.
   * Returns whether there were any.
   */
  forget(): boolean {
    if (!this.leadsToSeveral) return false
    const inUse = [...this.#pools].flatMap((pool) => pool.servers?.() ?? [])
    const last = this.#servers.at(-1)
    const kept = this.#servers.filter(
      (one) => one === last || inUse.some(({ server }) => isSameServer(one, server)),
    )
    if (kept.length === this.#servers.length) return false
    this.#servers = kept
    return true
  }

  /** Whether both names lead to one server. */
  isNear(other: Place): boolean {
    return this.#servers.some((one) => other.#servers.some((its) => isSameServer(one, its)))
  }
}
