import type {
  Clock,
  ClockTimer,
  ConnectionBudget,
  ConnectionPool,
  Endpoint,
  ServerIdentity,
} from '@poolhouse/core'
import type { BudgetOptions } from '../options/budget-options.js'
import { Census, type CensusAnswer } from './census.js'
import { Place } from './place.js'
import { groupsOf } from './place-groups.js'
import { Seat, type SeatHost } from './seat.js'
import { type BudgetStats, ServerBudget } from './server-budget.js'

// Enough to ask the server how many there may be, and to begin to work.
const UNTIL_KNOWN = 10
const SHARE = 0.9
// How long names that led to one server share a budget after one of them was moved, at most;
// connections to the former server last no longer as a rule.
const FORGET_MS = 30_000
const LOG_INS_PER_SECOND = 200
// A server that is asked for a little more than it carries out is never idle; what is drawn close
// together waits for a moment.
const EAGERNESS = 1.25

/**
 * The budgets of all servers. A server is what its connections say it is: names that lead to one
 * server share its budget, each as soon as its first connection has told.
 */
export class Budgets implements SeatHost {
  readonly #clock: Clock
  readonly #random: () => number
  readonly #options: BudgetOptions
  readonly #places = new Map<string, Place>()
  #forgetting: ClockTimer | undefined
  readonly #censuses = new Map<string, Census>()
  // Processes that were counted last, wherever there were most: not all of them have connections to
  // every server.
  #counted = 1
  readonly #countedAt = new Map<string, number>()

  /** Takes checked options. */
  constructor(clock: Clock, options: BudgetOptions, random: () => number = Math.random) {
    this.#clock = clock
    this.#options = options
    this.#random = random
  }

  /**
   * The budget for pools of this weight, of the named database `label` or, without one, of a
   * tenant.
   */
  weighing(weight: number, label?: string): ConnectionBudget {
    return {
      join: (pool) => {
        const place = this.#place(serverOf(pool.endpoint))
        if (place.join(pool)) this.#regroup()
        return new Seat(place, pool, weight, label, this)
      },
    }
  }

  /**
   * A pool was made: with its first connection its server is asked how many it allows, where that
   * matters.
   */
  watch(pool: ConnectionPool): void {
    const server = serverOf(pool.endpoint)
    // A pooler between us and the server has limits of its own.
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

  /** A pool is closed or about to be, or has moved to another server. */
  unwatch(pool: ConnectionPool): void {
    for (const census of this.#censuses.values()) census.remove(pool)
  }

  /** A server told of its connections. Returns whether others leave us less than our share. */
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
    // Only when there was no room for ours: others may be there for a moment.
    const room = wasFull ? answer.allowed - ofOthers : Number.POSITIVE_INFINITY
    place.learned = Math.max(1, Math.min(share, room))
    budget.resize(place.learned)
    return room < share
  }

  /**
   * The primary has moved, or a server has come back: every process that knows the cluster now
   * wants connections that it did not have. Each opens those that it needs in its turn, so that a
   * server gets no more log-ins than it can carry out, however many processes there are.
   */
  spread(endpoint: Endpoint): void {
    const { logInsPerSecond = LOG_INS_PER_SECOND } = this.#options
    const stepMs = (1_000 * this.#processes) / (EAGERNESS * logInsPerSecond)
    this.#place(serverOf(endpoint)).budget.spread(stepMs, this.#random)
  }

  /** How many processes share the servers, as far as it is known. */
  get #processes(): number {
    const { instances = 1 } = this.#options
    return instances === 'discover' ? this.#counted : instances
  }

  /** Asks no server any more. */
  stop(): void {
    for (const census of this.#censuses.values()) census.stop()
    this.#forgetting?.cancel()
    for (const { budget } of this.#places.values()) budget.stop()
  }

  /** What this process may have at a server. */
  limitOf(endpoint: Endpoint): number {
    return this.#place(serverOf(endpoint)).budget.limit
  }

  /** By name. Names that lead to one server have one budget, and say the same. */
  stats(): Readonly<Record<string, BudgetStats>> {
    const entries = [...this.#places].map(([name, { budget }]) => [name, budget.stats] as const)
    return Object.freeze(Object.fromEntries(entries))
  }

  #place(name: string): Place {
    let place = this.#places.get(name)
    if (place === undefined) {
      place = new Place(name, this.#budgetOf(name))
      // The only name has no twin. When it gets company it is held to one connection too, until it
      // is known.
      place.budget.settled = this.#places.size === 0
      for (const { known, budget } of this.#places.values()) if (!known) budget.settled = false
      this.#places.set(name, place)
    }
    return place
  }

  #budgetOf(name: string): ServerBudget {
    return new ServerBudget(name, this.#clock, this.#fixed(name) ?? UNTIL_KNOWN)
  }

  /** A connection to this place leads to this server. */
  leadsTo(place: Place, server: ServerIdentity | undefined): void {
    if (place.leadsTo(server)) this.#regroup()
  }

  /** A connect to a place of which nothing is known has failed. */
  unknown(): void {
    this.#regroup()
  }

  /** Gives the names that lead to one server one budget. */
  #regroup(): void {
    const used = new Set<ServerBudget>()
    // The first name had no company when it began, and may prove to be any of the others.
    const isHasty = [...this.#places.values()].some(
      ({ known, budget }) => !known && budget.used > 1,
    )
    for (const group of groupsOf(this.#places.values())) {
      const former = group.map(({ budget }) => budget)
      // What a group that fell apart had stays with the first of its parts.
      const budget = former.find((one) => !used.has(one)) ?? this.#budgetOf(group[0]!.name)
      used.add(budget)
      for (const place of group) budget.takeOver(place, place.budget)
      budget.resize(this.#limitOf(group))
      if (!isHasty && group.some(({ known }) => known)) budget.settled = true
    }
    this.#forgetLater()
  }

  /**
   * The lowest of the limits that are given for its names; else the lowest that the server has
   * told.
   */
  #limitOf(group: readonly Place[]): number {
    const fixed = group.map(({ name }) => this.#fixed(name)).filter((limit) => limit !== undefined)
    if (fixed.length > 0) return Math.min(...fixed)
    const learned = group.map((place) => place.learned).filter((limit) => limit !== undefined)
    return learned.length > 0 ? Math.min(...learned) : UNTIL_KNOWN
  }

  /**
   * A name that was moved leads to one server again when its connections to the former one are
   * gone.
   */
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

/** `host:port`: what limits connections is the server, whatever its databases. */
function serverOf({ host, port }: Pick<Endpoint, 'host' | 'port'>): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`
}
