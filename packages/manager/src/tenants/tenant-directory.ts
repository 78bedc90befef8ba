import { isDeepStrictEqual } from 'node:util'
import {
  type Clock,
  type ClockTimer,
  type CloseOptions,
  PoolClosedError,
  UnknownTenantError,
} from '@poolhouse/core'
import { describeName } from '@poolhouse/core/kit'
import { check, TARGET } from '../config/schema.js'
import type { TenantOptions, TenantTarget } from '../options/tenant-options.js'
import { isBusy, type Tenant, type TenantPools } from './tenant.js'
import { timePassed } from './time-passed.js'
import { UnknownTenants } from './unknown-tenants.js'

/** What the directory uses of its manager. */
export interface DirectoryHost {
  readonly clock: Clock
  /** Makes the pools of a tenant; opens nothing. Throws `ConfigError` for a wrong target. */
  make(id: string, target: TenantTarget): TenantPools
  /** Takes an error that no caller waits for. */
  report(error: unknown): void
}

const SWEEP_MS = 10_000

/**
 * The resolved tenants. Resolves each tenant with one call at a time and caches the answer, also
 * for unknown tenants. Closes the pools of tenants that were unused for `idleMs`, or when there are
 * too many, and never while a call is under way.
 */
export class TenantDirectory {
  readonly #host: DirectoryHost
  readonly #resolve: TenantOptions['resolve']
  readonly #ttlMs: number
  readonly #idleMs: number
  readonly #maxPools: number
  readonly #passed: () => number
  // Least recently used first. A Map, so that every name is legal, including `__proto__`.
  readonly #known = new Map<string, Tenant>()
  readonly #unknown: UnknownTenants
  readonly #underWay = new Map<string, Promise<Tenant>>()
  readonly #leaving = new Set<Promise<void>>()
  #evicted = 0
  #timer: ClockTimer | undefined
  #isRefusing = false
  #closed = false

  /** Takes checked options. Resolves nothing yet. */
  constructor(options: TenantOptions, host: DirectoryHost) {
    this.#host = host
    this.#resolve = options.resolve
    this.#ttlMs = options.ttlMs ?? 60_000
    this.#idleMs = options.idleMs ?? 60_000
    this.#maxPools = options.maxPools ?? 500
    this.#passed = timePassed(host.clock)
    this.#unknown = new UnknownTenants(this.#passed, options.negativeTtlMs ?? 5_000)
  }

  /** How many tenants have pools. */
  get open(): number {
    let open = 0
    for (const { own } of this.#known.values()) if (own?.member.open === true) open++
    return open
  }

  /** Those of them, least recently used first. */
  get opened(): readonly Tenant[] {
    return [...this.#known.values()].filter(({ own }) => own?.member.open === true)
  }

  /** How many tenants were dropped because they were unused, or too many. */
  get evicted(): number {
    return this.#evicted
  }

  /** Returns the tenant, if its answer is still valid, and counts that as a use. */
  peek(id: string): Tenant | undefined {
    const tenant = this.#isRefusing ? undefined : this.#known.get(id)
    if (tenant === undefined || tenant.expiresAt <= this.#passed()) return undefined
    this.#touch(tenant, this.#host.clock.now())
    return tenant
  }

  /** Returns the tenant, if it is known, without counting that as a use. */
  look(id: string): Tenant | undefined {
    return this.#known.get(id)
  }

  /**
   * Resolves the tenant. Rejects with `UnknownTenantError` for an unknown one, with
   * `PoolClosedError` after `refuse`, and with what `resolve` rejects with.
   */
  find(id: string): Promise<Tenant> {
    if (this.#isRefusing) return Promise.reject(new PoolClosedError(`tenant ${describeName(id)}`))
    if (this.#unknown.has(id)) return Promise.reject(unknownTenant(id))
    let asking = this.#underWay.get(id)
    if (asking === undefined) {
      asking = this.#ask(id).finally(() => this.#underWay.delete(id))
      this.#underWay.set(id, asking)
    }
    return asking
  }

  async #ask(id: string): Promise<Tenant> {
    const target = await this.#resolve(id)
    if (this.#closed) throw new PoolClosedError(`tenant ${describeName(id)}`)
    const former = this.#known.get(id)
    if (target === undefined || target === null) {
      if (former !== undefined) this.#drop(former)
      this.#unknown.add(id)
      throw unknownTenant(id)
    }
    check(`tenants.resolve(${describeName(id)})`, TARGET, target)
    const now = this.#host.clock.now()
    if (former !== undefined) {
      if (isDeepStrictEqual(former.target, target)) {
        former.expiresAt = this.#passed() + this.#ttlMs
        this.#touch(former, now)
        return former
      }
      this.#drop(former)
    }
    const made = this.#host.make(id, target)
    const tenant: Tenant = {
      id,
      target: copyOf(target),
      ...made,
      expiresAt: this.#passed() + this.#ttlMs,
      usedAt: now,
      gone: false,
    }
    this.#known.set(id, tenant)
    this.#makeRoom()
    this.#wake()
    return tenant
  }

  /** Refuses new calls. Calls that are being resolved or wait at a gate go on. */
  refuse(): void {
    this.#isRefusing = true
  }

  /** Tenants that are being resolved, plus calls at or behind the gates of tenants. */
  get underWay(): number {
    let underWay = this.#underWay.size
    for (const { gate } of this.#known.values()) underWay += gate?.size ?? 0
    return underWay
  }

  /** Drops all tenants and closes their pools. */
  async close(options?: CloseOptions): Promise<void> {
    this.#isRefusing = true
    this.#closed = true
    this.#timer?.cancel()
    for (const tenant of this.#known.values()) this.#drop(tenant, options)
    await Promise.all(this.#leaving)
  }

  #touch(tenant: Tenant, now: number): void {
    tenant.usedAt = now
    // Moves it to the end: most recently used.
    this.#known.delete(tenant.id)
    this.#known.set(tenant.id, tenant)
  }

  /** Forgets a tenant and closes its pools after their calls; its next call is resolved again. */
  #drop(tenant: Tenant, options?: CloseOptions): void {
    tenant.gone = true
    this.#known.delete(tenant.id)
    if (tenant.own === undefined) return
    const left: Promise<void> = tenant.own
      .leave(options)
      .catch((error: unknown) => this.#host.report(error))
      .finally(() => this.#leaving.delete(left))
    this.#leaving.add(left)
  }

  #makeRoom(): void {
    if (this.#known.size <= this.#maxPools) return
    for (const tenant of this.#known.values()) {
      if (this.#known.size <= this.#maxPools) return
      // A tenant made in this tick looks unused, but its caller is about to use it.
      if (!isBusy(tenant) && tenant.usedAt < this.#host.clock.now()) this.#evict(tenant)
    }
  }

  #evict(tenant: Tenant): void {
    this.#evicted++
    this.#drop(tenant)
  }

  #wake(): void {
    if (this.#timer !== undefined || this.#closed) return
    const delayMs = Math.min(SWEEP_MS, this.#idleMs)
    this.#timer = this.#host.clock.setTimer(() => {
      this.#timer = undefined
      this.#sweep()
      if (this.#known.size > 0) this.#wake()
    }, delayMs)
  }

  #sweep(): void {
    const until = this.#host.clock.now() - this.#idleMs
    for (const tenant of this.#known.values()) {
      if (tenant.usedAt > until) break
      if (!isBusy(tenant)) this.#evict(tenant)
    }
    this.#makeRoom()
  }
}

function unknownTenant(id: string): UnknownTenantError {
  return new UnknownTenantError(
    `tenant ${describeName(id)} is unknown: tenants.resolve() knows no such tenant`,
  )
}

/** Copies the target, because `resolve` may change its object later. */
function copyOf(target: TenantTarget): TenantTarget {
  const { schema, settings, limits } = target
  return {
    ...target,
    ...(typeof schema === 'object' && {
      schema: { ...schema, ...(schema.also && { also: [...schema.also] }) },
    }),
    ...(settings && { settings: { ...settings } }),
    ...(limits && { limits: { ...limits } }),
  }
}
