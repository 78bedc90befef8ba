import type { Clock, ClockTimer, ConnectionBudget, ConnectionPool, Endpoint } from '@poolhouse/core'
import type { BudgetHolder } from '@poolhouse/core/kit'
import type { BudgetOptions } from '../options/budget-options.js'
import { Census, type CensusAnswer } from './census.js'
import { Place } from './place.js'
import { groupsOf } from './place-groups.js'
import { Seat } from './seat.js'
import { type BudgetStats, ServerBudget } from './server-budget.js'

// Enough to start work, and to ask the server how many it allows.
const UNTIL_KNOWN = 10
const SHARE = 0.9
// A name that was moved shares the budget of its former server for at most this long. Connections
// there rarely last longer.
const FORGET_MS = 30_000
const LOG_INS_PER_SECOND = 200
// The server is asked for slightly more log-ins than it carries out, so that it is never idle; when
// two come close together, one waits for a moment.
const EAGERNESS = 1.25

/**
 * The budgets of all servers. Servers are told apart by what their connections say: names that lead
 * to one server share its budget, each as soon as its first connection has identified the server.
 */
export class Budgets {
  readonly #clock: Clock
  readonly #random: () => number
  readonly #options: BudgetOptions
  readonly #places = new Map<string, Place>()
  #forgetting: ClockTimer | undefined
  readonly #censuses = new Map<string, Census>()
  // How many processes were counted last, at the server with the most: not every process has
  // connections to every server.
  #counted = 1
  readonly #countedAt = new Map<string, number>()

  /** Takes checked options. Asks no server. */
  constructor(clock: Clock, options: BudgetOptions, random: () => number = Math.random) {
    this.#clock = clock
    this.#options = options
    this.#random = random
  }

  /** The budget for pools of this weight, of the named database `label`, or of `tenant`. */
  weighing(weight: number, label?: string, tenant?: string): ConnectionBudget {
    return {
      join: (pool) => {
        const place = this.#place(serverOf(pool.endpoint))
        place.join(pool)
        return new Seat(place, pool, weight, label, tenant)
      },
    }
  }

  /**
   * Asks the server of a pool how many connections it allows, once the pool has its first one. Does
   * nothing where the limit is configured, or where a pooler has limits of its own.
   */
  watch(pool: ConnectionPool): void {
    const server = serverOf(pool.endpoint)
    if (pool.pooler !== undefined || this.#fixed(server) !== undefined) return
    let census = this.#censuses.get(server)
    if (census === undefined) {
      census = new Census({
        clock: this.#clock,
        random: this.#random,
        discover: this.#options.instances === 'discover',
        patienceMs: () => this.#place(server).budget.paceMs,
        learn: (answer, wasFull) => this.learn(pool.endpoint, answer, wasFull),
      })
      this.#censuses.set(server, census)
    }
    census.add(pool)
  }

  /** Stops to ask over a pool that is closed, or has moved to another server. */
  unwatch(pool: ConnectionPool): void {
    for (const census of this.#censuses.values()) census.remove(pool)
  }

  /**
   * Takes what a server said about its connections. Returns whether other processes leave this one
   * less than its share.
   */
  learn(endpoint: Endpoint, answer: CensusAnswer, wasFull: boolean): boolean {
    const { instances = 1 } = this.#options
    const place = this.#place(serverOf(endpoint))
    const { budget } = place
    const processes = instances === 'discover' ? Math.max(1, answer.instances) : instances
    this.#countedAt.set(serverOf(endpoint), processes)
    this.#counted = Math.max(...this.#countedAt.values())
    const share = Math.floor((SHARE * answer.allowed) / processes)
    const { used, beside } = budget.stats
    const ofOthers = Math.max(0, answer.sessions - used - beside)
    // Only after a refusal: the others may be there for a moment only.
    const room = wasFull ? answer.allowed - ofOthers : Number.POSITIVE_INFINITY
    place.learned = Math.max(1, Math.min(share, room))
    budget.resize(place.learned)
    return room < share
  }

  /**
   * Spreads the connects to a server after a failover, when every process that knows the cluster
   * wants new connections at once. Each process opens its own in turn, so that together they ask
   * for about as many log-ins as the server carries out.
   */
  spread(endpoint: Endpoint): void {
    const { logInsPerSecond = LOG_INS_PER_SECOND } = this.#options
    const stepMs = (1_000 * this.#processes) / (EAGERNESS * logInsPerSecond)
    this.#place(serverOf(endpoint)).budget.spread(stepMs, this.#random)
  }

  /** How many processes share the servers, as far as is known. */
  get #processes(): number {
    const { instances = 1 } = this.#options
    return instances === 'discover' ? this.#counted : instances
  }

  /** Stops all questions and timers. */
  stop(): void {
    for (const census of this.#censuses.values()) census.stop()
    this.#forgetting?.cancel()
    for (const { budget } of this.#places.values()) budget.stop()
  }

  /** Most connections that this process may have to a server. */
  limitOf(endpoint: Endpoint): number {
    return this.#place(serverOf(endpoint)).budget.limit
  }

  /** The budgets by `host:port`. Names of one server show the same budget. */
  stats(): Readonly<Record<string, BudgetStats>> {
    const entries = [...this.#places].map(([name, { budget }]) => [name, budget.stats] as const)
    return Object.freeze(Object.fromEntries(entries))
  }

  /** Who has the connections of each server, by `host:port`. */
  holders(): Readonly<Record<string, readonly BudgetHolder[]>> {
    const entries = [...this.#places].map(([name, { budget }]) => [name, budget.shares] as const)
    return Object.freeze(Object.fromEntries(entries))
  }

  #place(name: string): Place {
    let place = this.#places.get(name)
    if (place === undefined) {
      place = new Place(name, this.#budgetOf(name), () => this.#regroup())
      // A single name cannot be another name of anything. Once there is a second one, both may open
      // one connection until they are known.
      place.budget.settled = this.#places.size === 0
      for (const { known, budget } of this.#places.values()) if (!known) budget.settled = false
      this.#places.set(name, place)
    }
    return place
  }

  #budgetOf(name: string): ServerBudget {
    return new ServerBudget(name, this.#clock, this.#fixed(name) ?? UNTIL_KNOWN)
  }

  /** Gives the names of one server one budget. */
  #regroup(): void {
    const used = new Set<ServerBudget>()
    // The first name started without the limit of one connection, and may be one of the others.
    const isHasty = [...this.#places.values()].some(
      ({ known, budget }) => !known && budget.used > 1,
    )
    for (const group of groupsOf(this.#places.values())) {
      const former = group.map(({ budget }) => budget)
      // When a group falls apart, its budget stays with the first part.
      const budget = former.find((one) => !used.has(one)) ?? this.#budgetOf(group[0]!.name)
      used.add(budget)
      for (const place of group) {
        if (place.budget !== budget) budget.takeOver(place, place.budget)
        place.budget = budget
      }
      budget.resize(this.#limitOf(group))
      if (!isHasty && group.some(({ known }) => known)) budget.settled = true
    }
    this.#forgetLater()
  }

  /** The lowest limit configured for one of its names, else the lowest that the server has said. */
  #limitOf(group: readonly Place[]): number {
    const fixed = group.map(({ name }) => this.#fixed(name)).filter((limit) => limit !== undefined)
    if (fixed.length > 0) return Math.min(...fixed)
    const learned = group.map((place) => place.learned).filter((limit) => limit !== undefined)
    return learned.length > 0 ? Math.min(...learned) : UNTIL_KNOWN
  }

  /** Looks later whether a name that was moved has lost its connections to the former server. */
  #forgetLater(): void {
    if (this.#forgetting !== undefined) return
    if (![...this.#places.values()].some(({ leadsToSeveral }) => leadsToSeveral)) return
    this.#forgetting = this.#clock.setTimer(() => {
      this.#forgetting = undefined
      const forgot = [...this.#places.values()].map((place) => place.forget())
      if (forgot.includes(true)) this.#regroup()
      else this.#forgetLater()
    }, FORGET_MS)
  }

  #fixed(server: string): number | undefined {
    const { perServer = 'auto', servers } = this.#options
    if (servers !== undefined && Object.hasOwn(servers, server)) return servers[server]
    return perServer === 'auto' ? undefined : perServer
  }
}

/** `host:port`, without the database: the limit is the server's. */
function serverOf({ host, port }: Pick<Endpoint, 'host' | 'port'>): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`
}
