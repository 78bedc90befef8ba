import type { ServerIdentity } from '@poolhouse/core'
import type { BudgetedPool, BudgetSeat, Turns } from '@poolhouse/core/kit'

/** The budget that a seat is at. What a seat may have is decided there. */
export interface SeatOwner {
  readonly turns: Turns
  /** See `BudgetSeat`, for this seat. */
  take(seat: Seat): boolean
  /** See `BudgetSeat`, for this seat. */
  giveBack(seat: Seat): void
  /** See `BudgetSeat`, for this seat. */
  owes(seat: Seat): boolean
  /** See `BudgetSeat`, for this seat. */
  outside(seat: Seat, count: number): void
  /** See `BudgetSeat`, for this seat. */
  shortage(seat: Seat): string | undefined
  /** See `BudgetSeat`, for this seat. */
  holders(seat: Seat): readonly BudgetedPool[] | undefined
  /** See `BudgetSeat`, for this seat. */
  leave(seat: Seat): void
}

/** The host and port that the pool of a seat connects to. */
export interface SeatPlace {
  /** The budget of the server there. It changes when the server proves to be another one. */
  readonly budget: SeatOwner
  /** A connection there leads to this server; undefined if that cannot be told. */
  leadsTo(server: ServerIdentity | undefined): void
  /** A connection there is closed, or a connect has failed. */
  gaveBack(): void
  /** The pool uses the place no longer. */
  leave(pool: BudgetedPool): void
}

/**
 * One pool's seat at the budget of its server: how many connections the pool holds, and since when.
 */
export class Seat implements BudgetSeat {
  /** Where its pool connects to. */
  readonly place: SeatPlace
  readonly pool: BudgetedPool
  readonly weight: number
  /** The named database that it is of; undefined for a tenant, which messages must not name. */
  readonly label: string | undefined
  /** The tenant that it is of, for those who watch the manager. */
  readonly tenant: string | undefined
  /** Permits that are out: each is a connection that is open, being opened or being closed. */
  held = 0
  /** Those of them whose connection is being given up. At most `held`. */
  leaving = 0
  /**
   * When its turn began: when a connection first came back after the last permit, so that the
   * connect itself does not count. Undefined before that.
   */
  servingSince: number | undefined = undefined
  /** How often a connection has come back since the last permit. */
  served = 0
  /** While it waits for a permit: since when. */
  waitingSince = 0
  /** Connections that need no permit: monitors and LISTEN. */
  beside = 0

  /** Holds nothing yet. */
  constructor(
    place: SeatPlace,
    pool: BudgetedPool,
    weight: number,
    label?: string,
    tenant?: string,
  ) {
    this.place = place
    this.pool = pool
    this.weight = weight
    this.label = label
    this.tenant = tenant
  }

  /** Its connections relative to its weight. The lowest share is served first. */
  get share(): number {
    return this.held / this.weight
  }

  /** Its share with one connection more. */
  get shareWithOneMore(): number {
    return (this.held + 1) / this.weight
  }

  /** Its share without the connections that are leaving. */
  get staying(): number {
    return (this.held - this.leaving) / this.weight
  }

  get turns(): Turns {
    return this.place.budget.turns
  }

  take(): boolean {
    return this.place.budget.take(this)
  }

  leadsTo(server: ServerIdentity | undefined): void {
    this.place.leadsTo(server)
  }

  giveBack(): void {
    this.place.budget.giveBack(this)
    this.place.gaveBack()
  }

  owes(): boolean {
    return this.place.budget.owes(this)
  }

  outside(count: number): void {
    this.place.budget.outside(this, count)
  }

  shortage(): string | undefined {
    return this.place.budget.shortage(this)
  }

  holders(): readonly BudgetedPool[] | undefined {
    return this.place.budget.holders(this)
  }

  leave(): void {
    this.place.leave(this.pool)
    this.place.budget.leave(this)
  }
}
