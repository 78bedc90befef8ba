import type { WatchedPool } from '@poolhouse/core/kit'
import { poolAttributes } from '../statement/attributes.js'
import type { MetricKey } from './metric-table.js'
import { type Observe, TOLD_AS_GONE_MS } from './observed-metrics.js'

/** The metrics that `PoolGauges` tells. */
export const POOL_GAUGES: readonly MetricKey[] = [
  'connectionCount',
  'idleMax',
  'idleMin',
  'max',
  'pendingRequests',
  'leaks',
]

interface Sums {
  idle: number
  used: number
  max: number
  min: number
  pending: number
  leaks: number
}

/** Knows the pools of connections of an instrumentation, and tells what they are made of. */
export class PoolGauges {
  readonly #pools = new Set<WatchedPool>()
  // When the last pool of this name went, by `performance.now()`; the first to go first.
  readonly #gone = new Map<string, number>()

  /** A pool is watched from now on. */
  add(pool: WatchedPool): void {
    this.#pools.add(pool)
    this.#gone.delete(pool.name)
  }

  /** A pool is gone. */
  remove(pool: WatchedPool): void {
    this.#pools.delete(pool)
    this.#gone.delete(pool.name)
    this.#gone.set(pool.name, performance.now())
    this.#forget()
  }

  /** Tells what the pools are made of now. Those of one name are told as one. */
  observe(observe: Observe): void {
    for (const [name, sums] of this.#sums()) {
      const of = poolAttributes(name)
      const state = 'db.client.connection.state'
      observe('connectionCount', sums.idle, { ...of, [state]: 'idle' })
      observe('connectionCount', sums.used, { ...of, [state]: 'used' })
      observe('idleMax', sums.max, of)
      observe('idleMin', sums.min, of)
      observe('max', sums.max, of)
      observe('pendingRequests', sums.pending, of)
      if (this.#gone.has(name)) continue
      observe('leaks', sums.leaks, of)
    }
  }

  #sums(): ReadonlyMap<string, Sums> {
    const byName = new Map<string, Sums>()
    const nothing = { idle: 0, used: 0, max: 0, min: 0, pending: 0, leaks: 0 }
    this.#forget()
    for (const name of this.#gone.keys()) byName.set(name, nothing)
    for (const pool of this.#pools) {
      this.#gone.delete(pool.name)
      const known = byName.get(pool.name)
      const sums = known === undefined || known === nothing ? { ...nothing } : known
      byName.set(pool.name, sums)
      const { idle, leased, pending } = pool.gauges()
      sums.idle += idle
      sums.used += leased
      sums.pending += pending
      sums.max += pool.sizes.max
      sums.min += pool.sizes.min
      sums.leaks += pool.leaks
    }
    return byName
  }

  /** Also where no reader collects: tenants come and go for years. */
  #forget(): void {
    const now = performance.now()
    for (const [name, since] of this.#gone) {
      if (now - since <= TOLD_AS_GONE_MS) return
      this.#gone.delete(name)
    }
  }
}
