import {
  type Clock,
  type CloseOptions,
  ConfigError,
  type Driver,
  type PoolEventName,
  type PoolListener,
  type PoolSnapshot,
  type PoolStats,
} from '@poolhouse/core'
import {
  awaitIdle,
  type BudgetHolder,
  type CheckedCloseOptions,
  checkNumber,
  MAX_MS,
  type ObservedPool,
  observedPool,
  readable,
  readCloseOptions,
  refuseUnknownOptions,
} from '@poolhouse/core/kit'
import { Budgets } from './budget/budgets.js'
import { type ConfigEntry, explain } from './config/explain.js'
import type { ManagerHealth } from './health/health.js'
import { makeTenant } from './make-tenant.js'
import type {
  DatabaseOf,
  Databases,
  Manager,
  ManagerStats,
  ReadyOptions,
  ShutdownOptions,
  StatsOptions,
} from './manager.js'
import { ManagerEvents } from './manager-events.js'
import { NamedDatabases } from './named-databases.js'
import type { BudgetOptions } from './options/budget-options.js'
import type { DatabasePool } from './options/database-pool.js'
import type { TenantOptions } from './options/tenant-options.js'
import { CurrentTenant } from './tenants/current-tenant.js'
import { checkTenantId } from './tenants/identity.js'
import { TenantDirectory } from './tenants/tenant-directory.js'
import { TenantPool } from './tenants/tenant-pool.js'

/** Checked options of a manager. */
export interface ManagerParts {
  readonly databases: Databases
  readonly drivers: ReadonlyMap<string, Driver>
  readonly tenants: TenantOptions | undefined
  readonly budget: BudgetOptions
  readonly origins: Readonly<Record<string, string>>
  readonly skipped: Readonly<Record<string, string>>
  readonly clock: Clock
  readonly random: () => number
}

const MOST_TOLD = 100
const READY_MS = 10_000
const GRACE_MS = 20_000

/** The manager: hands out databases and tenants, and shuts them down. Its parts own the state. */
export class PoolManager<Named extends Databases> implements Manager<Named> {
  static {
    readable(PoolManager, 'Manager', (manager) => ({
      databases: manager.#databases.pools.map(([name]) => name),
      tenantPools: manager.#directory?.open ?? 0,
      leaving: manager.#isLeaving,
    }))
  }

  readonly #parts: ManagerParts
  readonly #budgets: Budgets
  readonly #events = new ManagerEvents()
  readonly #databases: NamedDatabases
  readonly #directory: TenantDirectory | undefined
  readonly #scope = new CurrentTenant()
  #config: Databases
  #isLeaving = false
  #closing: Promise<void> | undefined

  /** Takes checked options; `createManager` is the public way. */
  constructor(parts: ManagerParts) {
    const { clock, random, drivers, tenants, budget, databases } = parts
    this.#parts = parts
    this.#config = databases
    this.#budgets = new Budgets(clock, budget, random)
    this.#databases = new NamedDatabases(databases, {
      drivers,
      budgets: this.#budgets,
      events: this.#events,
      clock,
      random,
    })
    this.#directory =
      tenants &&
      new TenantDirectory(tenants, {
        clock,
        make: (id, target) => makeTenant(id, target, this.#databases, tenants.limits, clock),
        report: (error) => process.emitWarning(error instanceof Error ? error : String(error)),
      })
  }

  database<Name extends keyof Named & string>(name: Name): DatabaseOf<Named[Name]> {
    return this.#databases.get(name) as DatabaseOf<Named[Name]>
  }

  tenant(id: string | undefined = this.#scope.id): DatabasePool {
    if (id === undefined) {
      throw new TypeError('tenant: give an id, or call it within runAs(id, work)')
    }
    checkTenantId('tenant', id)
    return new TenantPool(id, this.#tenants('tenant'), this.#scope, this.#parts.clock)
  }

  runAs<R>(id: string, work: () => R): R {
    checkTenantId('runAs', id)
    this.#tenants('runAs')
    return this.#scope.run(id, work)
  }

  unscoped<R>(work: () => R): R {
    return this.#scope.leave(work)
  }

  async ready(options: ReadyOptions = {}): Promise<void> {
    refuseUnknownOptions('ready', options, new Set(['timeoutMs']))
    const { timeoutMs = READY_MS } = options
    checkNumber('ready', 'timeoutMs', timeoutMs, { min: 1, max: MAX_MS })
    await this.#databases.ready(timeoutMs)
  }

  health(): ManagerHealth {
    const entries = this.#databases.health()
    const reasons = entries.flatMap(([name, each]) =>
      each.reasons.map((reason) => `${name}: ${reason}`),
    )
    if (this.#isLeaving) reasons.unshift('shutting down')
    return Object.freeze({
      live: true,
      ready: !this.#isLeaving && entries.every(([, { ready }]) => ready),
      degraded: entries.some(([, { degraded }]) => degraded),
      reasons: Object.freeze(reasons),
      databases: Object.freeze(Object.fromEntries(entries)),
    })
  }

  stats(options: StatsOptions = {}): ManagerStats {
    refuseUnknownOptions('stats', options, new Set(['tenants']))
    const asked = options.tenants ?? []
    if (asked.length > MOST_TOLD) {
      throw new RangeError(
        `stats: tenants must name at most ${MOST_TOLD}, got ${asked.length}: each one adds a label to your metrics`,
      )
    }
    const tenants = asked.flatMap((id): [string, PoolStats][] => {
      const tenant = this.#directory?.look(id)
      return tenant?.own?.member.open === true ? [[id, tenant.pool.stats()]] : []
    })
    return Object.freeze({
      databases: fromEntries(this.#databases.pools.map(([name, pool]) => [name, pool.stats()])),
      servers: this.#budgets.stats(),
      tenants: fromEntries(tenants),
      tenantPools: this.#directory?.open ?? 0,
      tenantEvictions: this.#directory?.evicted ?? 0,
    })
  }

  pools(): readonly ObservedPool[] {
    const named = this.#databases.pools.map(([name, pool]) => observedPool(pool, 'database', name))
    const tenants = (this.#directory?.opened ?? [])
      .map(({ pool }) => ({ pool, total: pool.stats().total }))
      .sort((one, other) => other.total - one.total)
      .slice(0, MOST_TOLD)
      .map(({ pool }) => observedPool(pool, 'tenant'))
    return Object.freeze([...named, ...tenants])
  }

  holders(): Readonly<Record<string, readonly BudgetHolder[]>> {
    return this.#budgets.holders()
  }

  inspect(): readonly PoolSnapshot[] {
    return Object.freeze(this.pools().flatMap((pool) => pool.inspect()))
  }

  on<Name extends PoolEventName>(event: Name, listener: PoolListener<Name>): this {
    this.#events.on(event, listener)
    return this
  }

  off<Name extends PoolEventName>(event: Name, listener: PoolListener<Name>): this {
    this.#events.off(event, listener)
    return this
  }

  reload(databases: Named): void {
    this.#databases.reload(databases)
    this.#config = { ...this.#config, ...databases }
  }

  explainConfig(): readonly ConfigEntry[] {
    const { origins, skipped, budget, tenants } = this.#parts
    const originOf = (path: string): string => {
      // The nearest path above it that has an origin.
      for (let end = path.length; end > 0; end = path.lastIndexOf('.', end - 1)) {
        const origin = Object.hasOwn(origins, path.slice(0, end))
          ? origins[path.slice(0, end)]
          : undefined
        if (origin !== undefined) return origin
      }
      return 'code'
    }
    return Object.freeze([
      ...explain(this.#config, 'databases', originOf),
      ...explain(budget, 'budget', originOf),
      ...explain(tenants, 'tenants', originOf),
      ...Object.entries(skipped).map(([variable, reason]) =>
        Object.freeze({
          path: `environment.${variable}`,
          value: `not taken: ${reason}`,
          origin: variable,
        }),
      ),
    ])
  }

  leaving(): void {
    this.#isLeaving = true
  }

  async shutdown(options: ShutdownOptions = {}): Promise<void> {
    refuseUnknownOptions('shutdown', options, new Set(['graceMs', 'delayMs']))
    const { graceMs = GRACE_MS, delayMs = 0 } = options
    checkNumber('shutdown', 'graceMs', graceMs, { min: 0, max: MAX_MS })
    checkNumber('shutdown', 'delayMs', delayMs, { min: 0, max: MAX_MS })
    this.#isLeaving = true
    if (delayMs > 0 && this.#closing === undefined) {
      await new Promise<void>((resolve) => {
        this.#parts.clock.setTimer(resolve, delayMs, { keepAlive: true })
      })
    }
    await this.close({ timeoutMs: graceMs, waiters: 'serve' })
  }

  close(options: CloseOptions = {}): Promise<void> {
    try {
      // Wrong options stop nothing.
      this.#closing ??= this.#close(readCloseOptions(options))
      return this.#closing
    } catch (error) {
      return Promise.reject(error)
    }
  }

  async #close({ timeoutMs, waiters }: CheckedCloseOptions): Promise<void> {
    const { clock } = this.#parts
    this.#isLeaving = true
    const deadline = clock.now() + timeoutMs
    const directory = this.#directory
    this.#budgets.stop()
    directory?.refuse()
    this.#databases.refuse()
    // From the outside in: calls that were accepted still need the pools below.
    if (waiters === 'serve') await awaitIdle(clock, () => directory?.underWay ?? 0, deadline)
    const left = (): CheckedCloseOptions => ({
      timeoutMs: Math.max(0, deadline - clock.now()),
      waiters,
    })
    try {
      await this.#databases.close(left())
    } finally {
      await directory?.close(left())
      this.#events.stop()
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #tenants(where: string): TenantDirectory {
    if (this.#directory !== undefined) return this.#directory
    throw new ConfigError(
      `${where}: this manager has no tenants; give tenants: { resolve } to createManager`,
    )
  }
}

function fromEntries<T>(entries: readonly (readonly [string, T])[]): Readonly<Record<string, T>> {
  // Without a prototype, so that a name such as `__proto__` is a key like any other.
  return Object.freeze(
    Object.assign(Object.create(null), Object.fromEntries(entries)) as Record<string, T>,
  )
}
