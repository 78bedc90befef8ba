import { getEventListeners } from 'node:events'
import type { Pool } from '@poolhouse/core'
import { fakeDriver, type VirtualClock, virtualClock } from '@poolhouse/core/testing'
import { beforeEach, expect, test, vi } from 'vitest'
import { createManager, type Manager, type TenantTarget } from '../../../src/index.js'

type Limits = { signal: AbortSignal; timeoutMs?: number }
type Call = (pool: Pool, limits: Limits) => Promise<unknown>

const TARGETS: Readonly<Record<string, TenantTarget>> = {
  rows: { settings: { 'app.tenant': 'x' }, limits: { max: 1 } },
  own: { database: 'own', limits: { max: 1 } },
  schema: { schema: 'own', limits: { max: 1 } },
}
const CALLS: [string, Call][] = [
  ['query', (pool, limits) => pool.query('select 1', [], limits)],
  ['transaction', (pool, limits) => pool.transaction((tx) => tx.query('select 1'), limits)],
  ['acquire', async (pool, limits) => (await pool.acquire(limits)).release()],
  ['use', (pool, limits) => pool.use((lease) => lease.query('select 1'), limits)],
  ['stream', (pool, { signal }) => pool.stream('select 1', [], { signal }).next()],
  ['copyTo', (pool, limits) => pool.copyTo('copy t to stdout', limits).next()],
  ['copyFrom', (pool, limits) => pool.copyFrom('copy t from stdin', ['1\n'], limits)],
]
const CASES = Object.keys(TARGETS).flatMap((tenant) =>
  CALLS.map(([name, call]) => [name, tenant, call] as const),
)

let clock: VirtualClock
let manager: Manager
let resolved: () => void

beforeEach(() => {
  clock = virtualClock()
  const answer = new Promise<void>((resolve) => {
    resolved = resolve
  })
  const driver = fakeDriver({ clock, statementMs: 10 })
  manager = createManager({
    drivers: { fake: driver },
    databases: { app: { primary: { host: 'localhost', user: 'u', database: 'app' } } },
    budget: { perServer: 10 },
    tenants: {
      resolve: async (id) => {
        await answer
        return TARGETS[id]
      },
    },
    clock,
    random: () => 0.5,
  }) as Manager
})

const listeners = (signal: AbortSignal): number => getEventListeners(signal, 'abort').length

/** Notes whether the call has settled. */
function settled(call: Promise<unknown>): ReturnType<typeof vi.fn> {
  const done = vi.fn()
  call.then(done, done)
  return done
}

test.each(CASES)(
  'T101: %s that waited until tenant "%s" was resolved leaves no listener on its signal',
  async (_name, tenant, call) => {
    const { signal } = new AbortController()
    const done = settled(call(manager.tenant(tenant), { signal, timeoutMs: 60_000 }))
    await clock.advance(100)
    expect(listeners(signal)).toBe(1)
    resolved()
    await clock.advance(1_000)
    expect(done).toHaveBeenCalledOnce()
    expect(listeners(signal)).toBe(0)
  },
)

test.each(CALLS)(
  'T101: %s that waits in vain until its tenant is resolved leaves neither a listener nor a timer',
  async (name, call) => {
    const { signal } = new AbortController()
    const done = settled(call(manager.tenant('own'), { signal, timeoutMs: 500 }))
    await clock.advance(1_000)
    // A stream has no limit of its own.
    if (name === 'stream') return
    expect(done).toHaveBeenCalledOnce()
    expect(listeners(signal)).toBe(0)
    expect(clock.pendingTimers).toBe(0)
  },
)

test.each(CASES)(
  'T101: %s that waited for its turn among the calls of tenant "%s" leaves no listener on its signal',
  async (_name, tenant, call) => {
    resolved()
    const first = manager.tenant(tenant).transaction((tx) => tx.query('select 1'))
    const { signal } = new AbortController()
    const done = settled(call(manager.tenant(tenant), { signal }))
    await clock.advance(5)
    expect(done.mock.calls.length + listeners(signal)).toBe(1)
    await clock.advance(1_000)
    await first
    expect(done).toHaveBeenCalledOnce()
    expect(listeners(signal)).toBe(0)
  },
)

test('T101: calls that wait in vain at the gate of a tenant leave neither a listener nor a timer', async () => {
  resolved()
  let release: (() => void) | undefined
  const first = manager.tenant('rows').transaction(
    () =>
      new Promise<void>((resolve) => {
        release = resolve
      }),
  )
  await clock.advance(1_000)
  const timers = clock.pendingTimers
  const { signal } = new AbortController()
  const waiting = Array.from({ length: 5 }, () =>
    settled(manager.tenant('rows').query('select 1', [], { signal, timeoutMs: 500 })),
  )
  await clock.settle()
  expect(listeners(signal)).toBe(1)
  expect(clock.pendingTimers).toBe(timers + 5)
  await clock.advance(501)
  for (const done of waiting) expect(done).toHaveBeenCalledOnce()
  expect(listeners(signal)).toBe(0)
  expect(clock.pendingTimers).toBeLessThanOrEqual(timers)
  release!()
  await clock.advance(100)
  await first
})
