import type { ServerIdentity } from '@poolhouse/core'
import type { BudgetedPool } from '@poolhouse/core/kit'
import { isRestarted, isSameServer } from '@poolhouse/core/kit'
import type { SeatPlace } from './seat.js'
import type { ServerBudget } from './server-budget.js'

/**
 * One configured host and port, and the servers that it leads to. Until its first connection has
 * identified the server, the name has a budget of its own and may open one connection: it may be
 * another name of a server whose budget is used up. From then on the names of one server share one
 * budget. A name that leads to several servers shares the budget of each, so that none of them gets
 * more than its limit. Behind a pooler, and where the server does not identify itself, the name
 * stands for the server.
 */
export class Place implements SeatPlace {
  /** `host:port`. */
  readonly name: string
  /** The budget that its pools share with the server's other names. */
  budget: ServerBudget
  /** Most connections as the server said, where it was asked. */
  learned: number | undefined
  /** Whether its first connection is through, even if that did not identify the server. */
  known = false
  readonly #changed: () => void
  readonly #pools = new Set<BudgetedPool>()
  #servers: readonly ServerIdentity[] = []

  /** `changed` is called when the name may have to share another budget. */
  constructor(name: string, budget: ServerBudget, changed: () => void) {
    this.name = name
    this.budget = budget
    this.#changed = changed
  }

  /** A pool starts to use it. */
  join(pool: BudgetedPool): void {
    this.#pools.add(pool)
    if (this.known || pool.pooler === undefined) return
    // A pooler never identifies the server behind it.
    this.known = true
    this.#changed()
  }

  leave(pool: BudgetedPool): void {
    this.#pools.delete(pool)
  }

  /** Whether it leads to several servers, or did until lately. */
  get leadsToSeveral(): boolean {
    return this.#servers.length > 1
  }

  leadsTo(server: ServerIdentity | undefined): void {
    const wasKnown = this.known
    this.known = true
    // Without its start time a server cannot be told from others.
    const isNew =
      server?.startedAt !== undefined && !this.#servers.some((one) => isSameServer(one, server))
    if (isNew) this.#servers = [...this.#servers.filter((one) => !isRestarted(one, server)), server]
    if (isNew || !wasKnown) this.#changed()
  }

  gaveBack(): void {
    // The connect failed before anything was known: other names need not wait for this one.
    if (!this.known) this.#changed()
  }

  /**
   * Forgets the servers, but for the last one, that none of its connections leads to any more.
   * Returns whether it has forgotten any.
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
