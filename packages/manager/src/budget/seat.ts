import type { ServerIdentity } from '@poolhouse/core'
import type { BudgetedPool, BudgetSeat, Turns } from '@poolhouse/core/kit'
import type { Place } from './place.js'
import type { ServerBudget } from './server-budget.js'

/** Who decides which names share a budget. */
export interface SeatHost {
  /** A connection to this place leads to this server; undefined if nobody can tell. */
  leadsTo(place: Place, server: ServerIdentity | undefined): void
  /** A connect to a place of which nothing is known has failed. */
  unknown(): void
}

/**
 * One pool's place at the budget of its server. What it holds and since when; what follows from
 * that is the budget's business.
 */
export class Seat implements BudgetSeat {
  readonly pool: BudgetedPool
  readonly weight: number
  /** The named database it is of; undefined for a tenant, whom nobody else must hear of. */
  readonly label: string | undefined
  /** Permits that are out. */
  held = 0
  /** Those of them whose connection is being given up. At most `held`. */
  leaving = 0
  /**
   * When a connection of its first came back after its last permit: that is when its turn begins,
   * whatever the connect took.
   */
  servingSince: number | undefined = undefined
  /** How often a connection of its came back since. */
  served = 0
  /** Since when it has waited for a permit, while it does. */
  waitingSince = 0
  /** Connections it has beside those with permits. */
  beside = 0
  /** Where its pool connects to. */
  readonly place: Place
  readonly #host: SeatHost

  /** Sits down with nothing. */
  constructor(
    place: Place,
    pool: BudgetedPool,
    weight: number,
    label: string | undefined,
    host: SeatHost,
  ) {
    this.place = place
    this.#host = host
    this.pool = pool
    this.weight = weight
    this.label = label
  }

  get #budget(): ServerBudget {
    return this.place.budget
  }

  /** How much it has of what it is due: those with the least come first. */
  get share(): number {
    return this.held / this.weight
  }

  /** The same when it has one more. */
  get shareWithOneMore(): number {
    return (this.held + 1) / this.weight
  }

  /** How much it has of what it is due without the connections that are leaving. */
  get staying(): number {
    return (this.held - this.leaving) / this.weight
  }

  get turns(): Turns {
    return this.#budget.turns
  }

  take(): boolean {
    return this.#budget.take(this)
  }

  leadsTo(server: ServerIdentity | undefined): void {
    this.#host.leadsTo(this.place, server)
  }

  giveBack(): void {
    this.#budget.giveBack(this)
    // A connect failed before anything was known of its server.
    if (!this.place.known) this.#host.unknown()
  }

  owes(): boolean {
    return this.#budget.owes(this)
  }

  outside(count: number): void {
    this.#budget.outside(this, count)
  }

  shortage(): string | undefined {
    return this.#budget.shortage(this)
  }

  holders(): readonly BudgetedPool[] | undefined {
    return this.#budget.holders(this)
  }

  leave(): void {
    this.place.leave(this.pool)
    this.#budget.leave(this)
  }
}
