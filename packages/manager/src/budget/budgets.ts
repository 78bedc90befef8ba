import type { Clock, ConnectionBudget, ConnectionPool, Endpoint } from '@poolhouse/core'
import type { BudgetOptions } from './budget-options.js'
import { Census, type CensusAnswer } from './census.js'
import { type BudgetStats, ServerBudget } from './server-budget.js'

// Enough to ask the server how many there may be, and to begin to work.
const UNTIL_KNOWN = 10
const SHARE = 0.9

/** The budgets of all servers. A server is a host and a port. */
export class Budgets {
  readonly #clock: Clock
  readonly #random: () => number
  readonly #options: BudgetOptions
  readonly #servers = new Map<string, ServerBudget>()
  readonly #censuses = new Map<string, Census>()

  /** Takes checked options. */
  constructor(clock: Clock, options: BudgetOptions, random: () => number = Math.random) {
    this.#clock = clock
    this.#options = options
    this.#random = random
  }

  /** The budget for pools of this weight, of the named database `label` or, without one, of a tenant. */
  weighing(weight: number, label?: string): ConnectionBudget {
    return { join: (pool) => this.#server(serverOf(pool.endpoint)).join(pool, weight, label) }
  }

  /** A pool was made: with its first connection its server is asked how many it allows, where that matters. */
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
    const budget = this.#server(serverOf(endpoint))
    const processes = instances === 'discover' ? Math.max(1, answer.instances) : instances
    const share = Math.floor((SHARE * answer.allowed) / processes)
    const { used, beside } = budget.stats
    const ofOthers = Math.max(0, answer.sessions - used - beside)
    // Only when there was no room for ours: others may be there for a moment.
    const room = wasFull ? answer.allowed - ofOthers : Number.POSITIVE_INFINITY
    budget.resize(Math.max(1, Math.min(share, room)))
    return room < share
  }

  /** Asks no server any more. */
  stop(): void {
    for (const census of this.#censuses.values()) census.stop()
  }

  /** What this process may have at a server. */
  limitOf(endpoint: Endpoint): number {
    return this.#server(serverOf(endpoint)).limit
  }

  /** By server. */
  stats(): Readonly<Record<string, BudgetStats>> {
    const entries = [...this.#servers].map(([server, budget]) => [server, budget.stats] as const)
    return Object.freeze(Object.fromEntries(entries))
  }

  #server(server: string): ServerBudget {
    let budget = this.#servers.get(server)
    if (budget === undefined) {
      budget = new ServerBudget(server, this.#clock, this.#fixed(server) ?? UNTIL_KNOWN)
      this.#servers.set(server, budget)
    }
    return budget
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
