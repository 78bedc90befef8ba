import type { Clock, ConnectionBudget, Endpoint } from '@poolhouse/core'
import type { BudgetOptions } from './budget-options.js'
import { type BudgetStats, ServerBudget } from './server-budget.js'

// Enough to ask the server how many there may be, and to begin to work.
const UNTIL_KNOWN = 10
const SHARE = 0.9

/** The budgets of all servers. A server is a host and a port. */
export class Budgets {
  readonly #clock: Clock
  readonly #options: BudgetOptions
  readonly #servers = new Map<string, ServerBudget>()
  // What the servers say they allow.
  readonly #allowed = new Map<string, number>()

  /** Takes checked options. */
  constructor(clock: Clock, options: BudgetOptions) {
    this.#clock = clock
    this.#options = options
  }

  /** The budget for pools of this weight, of the named database `label` or, without one, of a tenant. */
  weighing(weight: number, label?: string): ConnectionBudget {
    return { join: (pool) => this.#server(serverOf(pool.endpoint)).join(pool, weight, label) }
  }

  /** Whether it would help to know what this server allows. */
  asks(endpoint: Endpoint): boolean {
    const server = serverOf(endpoint)
    return this.#fixed(server) === undefined && !this.#allowed.has(server)
  }

  /** The server allows this many connections to ordinary roles, all processes together. */
  learn(endpoint: Endpoint, allowed: number): void {
    const server = serverOf(endpoint)
    this.#allowed.set(server, allowed)
    this.#server(server).resize(this.#limit(server))
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
      budget = new ServerBudget(server, this.#clock, this.#limit(server))
      this.#servers.set(server, budget)
    }
    return budget
  }

  #fixed(server: string): number | undefined {
    const { perServer = 'auto', servers } = this.#options
    if (servers !== undefined && Object.hasOwn(servers, server)) return servers[server]
    return perServer === 'auto' ? undefined : perServer
  }

  #limit(server: string): number {
    const fixed = this.#fixed(server)
    if (fixed !== undefined) return fixed
    const allowed = this.#allowed.get(server)
    if (allowed === undefined) return UNTIL_KNOWN
    return Math.max(1, Math.floor((SHARE * allowed) / (this.#options.instances ?? 1)))
  }
}

/** `host:port`: what limits connections is the server, whatever its databases. */
function serverOf({ host, port }: Pick<Endpoint, 'host' | 'port'>): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`
}
