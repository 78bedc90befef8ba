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

/** What the directory needs of its manager. */
export interface DirectoryHost {
  readonly clock: Clock
  /** Makes the pools of a tenant; opens nothing. Throws `ConfigError` for a wrong target. */
  make(id: string, target: TenantTarget): TenantPools
  /** Takes an error that no caller waits for. */
  report(error: unknown): void
}

const SWEEP_MS = 10_000

/**
 * Who is where. Each tenant is resolved once at a time and remembered for a while, strangers as
 * well. Owns the tenants that are known: their pools are closed when they have not been used for a
 * while or when there are too many, and never while something is under way.
 */
export class TenantDirectory {
  readonly #host: DirectoryHost
  readonly #resolve: TenantOptions['resolve']
  readonly #ttlMs: number
  readonly #idleMs: number
  readonly #maxPools: number
  readonly #passed: () => number
  // Those longest unused first. A Map, so that every name is legal, `__proto__` as well.
  readonly #known = new Map<string, Tenant>()
  readonly #unknown: UnknownTenants
  readonly #underWay = new Map<string, Promise<Tenant>>()
  readonly #leaving = new Set<Promise<void>>()
  #timer: ClockTimer | undefined
  #isRefusing = false
  #closed = false

  /** Takes checked options. */
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

  /** The tenant, if it is known and need not be resolved again; asking is using. */
  peek(id: string): Tenant | undefined {
    const tenant = this.#isRefusing ? undefined : this.#known.get(id)
    if (tenant === undefined || tenant.expiresAt <= this.#passed()) return undefined
    this.#touch(tenant, this.#host.clock.now())
    return tenant
  }

  /** The tenant, if it is known, without using it. */
  look(id: string): Tenant | undefined {
    return this.#known.get(id)
  }

  /**
   * The tenant. Rejects with `UnknownTenantError` if nobody knows it, and with what `resolve`
   * rejects with.
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
      target: structuredCloneOf(target),
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

  /**
   * Lets no more calls in. Those that were let in may still look for their tenant, or wait at its
   * gate.
   */
  refuse(): void {
    this.#isRefusing = true
  }

  /**
   * Tenants that are being looked up, and calls at the gates of those who have no pools of their
   * own.
   */
  get underWay(): number {
    let underWay = this.#underWay.size
    for (const { gate } of this.#known.values()) underWay += gate?.size ?? 0
    return underWay
  }

  /** Forgets all tenants and closes their pools. */
  async close(options?: CloseOptions): Promise<void> {
    this.#isRefusing = true
    this.#closed = true
    this.#timer?.cancel()
    for (const tenant of this.#known.values()) this.#drop(tenant, options)
    await Promise.all(this.#leaving)
  }

  #touch(tenant: Tenant, now: number): void {
    tenant.usedAt = now
    // To the end: the most recently used.
    this.#known.delete(tenant.id)
    this.#known.set(tenant.id, tenant)
  }

  /** Its pools are closed when what is under way there is over; the next call asks anew. */
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
      // The newest has not been called yet: its caller is on the way.
      if (!isBusy(tenant) && tenant.usedAt < this.#host.clock.now()) this.#drop(tenant)
    }
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
      if (!isBusy(tenant)) this.#drop(tenant)
    }
    this.#makeRoom()
  }
}

function unknownTenant(id: string): UnknownTenantError {
  return new UnknownTenantError(
    `tenant ${describeName(id)} is unknown: tenants.resolve() knows no such tenant`,
  )
}

/** As it is now, whatever its maker does with the object later. */
function structuredCloneOf(target: TenantTarget): TenantTarget {
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
