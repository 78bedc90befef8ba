import { describeValue } from '../base/option-check.js'
import type { Turns } from '../base/turns.js'
import type { ServerIdentity } from '../server/server-identity.js'
import type { ServerInUse } from '../server/server-sightings.js'
import type { Endpoint } from '../settings/endpoint.js'
import type { PoolerInEffect } from './pooler.js'

/**
 * A bounded number of connections that several pools share, as `createManager` makes one for each
 * server: the `budget` option of `createPool`. A pool asks it for a permit before each connect,
 * tells it when the connection is gone, and gives up connections that others are owed. The budget
 * decides what is fair.
 */
export interface ConnectionBudget {
  /**
   * A pool begins to use connections of its server. Called when the pool is made, and when
   * `reconfigure` moves it to another server.
   *
   * @example
   * const budget: ConnectionBudget = {
   *   join: () => ({
   *     take: () => true, // a permit for everyone
   *     giveBack() {},
   *     owes: () => false,
   *     outside() {},
   *     leave() {},
   *   }),
   * }
   */
  join(pool: BudgetedPool): BudgetSeat
}

/**
 * What a budget may ask of a pool; never from within a call of the pool's own, but in a microtask
 * or later.
 */
export interface BudgetedPool {
  /** Name of the pool. */
  readonly name: string
  /** The server. */
  readonly endpoint: Endpoint
  /** The pooler that stands in front of the server, declared or noticed, as far as is known. */
  readonly pooler?: PoolerInEffect | undefined
  /** The servers that its connections lead to now. */
  servers?(): readonly ServerInUse[]
  /** Connections that it would open now, if it had the permits. */
  wanted(): number
  /**
   * When its longest idle connection became so, in time of its clock; undefined if it has none to
   * give up (`min` stays).
   */
  idleSince(): number | undefined
  /**
   * Ends its longest idle connection politely; false if it has none to give up. The permit comes
   * back when the server has closed it.
   */
  giveUpIdle(reason: string): boolean
  /** Permits are to be had: the pool takes those it has use for. */
  grow(): void
}

/** One pool's place at a budget. Its calls are synchronous, call no callback and never throw. */
export interface BudgetSeat {
  /** A permit for one connect. With false the pool waits until `grow()` is called. */
  take(): boolean
  /**
   * A connection was opened, with a permit or beside those, and leads to this server; undefined
   * behind a pooler, and where the server does not say who it is. Several names may prove to be one
   * server.
   */
  leadsTo?(server: ServerIdentity | undefined): void
  /** The connection of a permit is gone, or was never opened. */
  giveBack(): void
  /**
   * Whether a connection that has just come back must be closed, because another pool is owed it.
   * Asked between two borrowers, never of `min`.
   */
  owes(): boolean
  /**
   * How many connections it has beside those with permits: monitors, LISTEN. They are counted and
   * never refused.
   */
  outside(count: number): void
  /**
   * Why the pool gets no permit, for the error of a caller who has waited in vain: how many there
   * are and who has them; undefined if it could have one. Names only those that every caller of the
   * pool may know about.
   */
  shortage?(): string | undefined
  /**
   * The pools whose connections are all that the pool can wait for, while no permit is free or on
   * its way; undefined if it could have one, or does not wait. Lets a deadlock across pools be told
   * from a long wait; without it only those within one pool are.
   */
  holders?(): readonly BudgetedPool[] | undefined
  /**
   * The line in which the pools of the server stand that want a connection beside those with
   * permits, to ask the server about one that is silent. Without it each of them may have one at
   * the same time.
   */
  readonly turns?: Turns | undefined
  /** The pool needs nothing any more. Permits that are still out come back later. */
  leave(): void
}

/** Checks the `budget` option. Throws `TypeError`. */
export function readBudget(where: string, budget: unknown): ConnectionBudget | undefined {
  if (budget === undefined) return undefined
  if (typeof (budget as Partial<ConnectionBudget> | null)?.join === 'function') {
    return budget as ConnectionBudget
  }
  throw new TypeError(
    `${where}: budget must be an object with join(), as a manager has one for each server, got ${describeValue(budget)}`,
  )
}
