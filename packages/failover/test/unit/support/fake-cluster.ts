import type { PoolEventName } from '@poolhouse/core'
import { type VirtualClock, virtualClock } from '@poolhouse/core/testing'
import { expect } from 'vitest'
import { type FailoverOptions, type FailoverPool, withFailover } from '../../../src/index.js'
import { FakeServer } from './fake-server.js'

/** Time of the test. */
export let clock: VirtualClock
/** The primary. */
export let a: FakeServer
/** A replica. */
export let b: FakeServer
/** Another replica. */
export let c: FakeServer

/** Makes a new cluster of a primary and two replicas, on a clock of its own. */
export function makeCluster(): void {
  clock = virtualClock()
  a = new FakeServer('a', clock)
  b = new FakeServer('b', clock).asReplica()
  c = new FakeServer('c', clock).asReplica()
}

/** A failover pool over the three. */
export function failover(options: FailoverOptions = {}): FailoverPool {
  return withFailover([a.pool, b.pool, c.pool], { clock, random: () => 0.5, ...options })
}

/** Records how a promise settles, without waiting for it. */
export function watch<T>(promise: Promise<T>): { value?: T; error?: unknown; settledAt?: number } {
  const seen: { value?: T; error?: unknown; settledAt?: number } = {}
  promise.then(
    (value) => Object.assign(seen, { value, settledAt: clock.now() }),
    (error: unknown) => Object.assign(seen, { error, settledAt: clock.now() }),
  )
  return seen
}

/** Records the events of these names. */
export function listen(pool: FailoverPool, ...names: PoolEventName[]): Record<string, unknown>[] {
  const heard: Record<string, unknown>[] = []
  for (const name of names) pool.on(name, (event) => heard.push({ name, ...event }))
  return heard
}

/** Gives the pool of a node two idle connections. */
export async function warm(server: FakeServer): Promise<void> {
  const leases = await Promise.all([server.pool.acquire(), server.pool.acquire()])
  for (const lease of leases) lease.release()
}

/** Waits until the primary is found, and gives its pool two warm connections. */
export async function ready(pool: FailoverPool): Promise<void> {
  await clock.settle()
  await warm(a)
  expect(pool.topology.current.primary?.id).toBe('a')
}

/** Moves time on until the promise has settled, by a minute at most. */
export async function race<T>(promise: Promise<T>): Promise<T> {
  const seen = watch(promise)
  for (let ms = 0; ms < 60_000 && seen.settledAt === undefined; ms += 10) await clock.advance(10)
  return await promise
}
