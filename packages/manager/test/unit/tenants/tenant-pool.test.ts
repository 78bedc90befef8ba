import type { Pool } from '@poolhouse/core'
import {
  type FakeDriver,
  fakeDriver,
  type VirtualClock,
  virtualClock,
} from '@poolhouse/core/testing'
import { beforeEach, expect, test } from 'vitest'
import { createManager, type Manager, type TenantTarget } from '../../../src/index.js'

let clock: VirtualClock
let driver: FakeDriver
let answer: (target: TenantTarget) => void
let manager: Manager
let isAway: boolean

beforeEach(() => {
  clock = virtualClock()
  isAway = false
  driver = fakeDriver({ clock, onConnect: () => (isAway ? 'hang' : undefined) })
  const target = new Promise<TenantTarget>((resolve) => {
    answer = resolve
  })
  manager = createManager({
    drivers: { fake: driver },
    databases: { app: { primary: { host: 'localhost', user: 'u', database: 'app' } } },
    budget: { perServer: 10 },
    tenants: { resolve: () => target },
    clock,
    random: () => 0.5,
  }) as Manager
})

type Limits = { timeoutMs?: number; signal?: AbortSignal }

const COPY = 'copy t to stdout'
const work = async (): Promise<void> => undefined
const CALLS: [string, (pool: Pool, limits: Limits) => Promise<unknown>][] = [
  ['query', (pool, limits) => pool.query('select 1', [], limits)],
  ['acquire', (pool, limits) => pool.acquire(limits)],
  ['use', (pool, limits) => pool.use(work, limits)],
  ['transaction', (pool, limits) => pool.transaction(work, limits)],
  ['copyFrom', (pool, limits) => pool.copyFrom('copy t from stdin', [], limits)],
  ['copyTo', (pool, limits) => pool.copyTo(COPY, limits).next()],
  ['listen', (pool, limits) => pool.listen('news', () => undefined, limits)],
]

/** Notes how the call settles. */
function ended(call: Promise<unknown>): { error?: Error & { executed?: string } } {
  const end: { error?: Error } = {}
  call.catch((error: Error) => {
    end.error = error
  })
  return end
}

test.each(CALLS)(
  'T55: %s counts the wait for the tenant against its own limit',
  async (_, call) => {
    const end = ended(call(manager.tenant('acme'), { timeoutMs: 500 }))
    await clock.advance(499)
    expect(end.error).toBeUndefined()
    await clock.advance(1)
    expect(end.error).toMatchObject({ name: 'AcquireTimeoutError', executed: 'no' })
    expect(driver.attempts).toBe(0)
    expect(clock.pendingTimers).toBe(0)
  },
)

test.each([
  ...CALLS,
  [
    'stream',
    (pool: Pool, { signal }: Limits) => pool.stream('select 1', [], { signal }).next(),
  ] as (typeof CALLS)[number],
])('F55: abort ends the wait of %s for the tenant', async (_, call) => {
  const ends = new AbortController()
  const end = ended(call(manager.tenant('acme'), { signal: ends.signal, timeoutMs: 500 }))
  await clock.settle()
  ends.abort('enough')
  await clock.settle()
  expect(end.error).toMatchObject({ name: 'AbortError', executed: 'no', cause: 'enough' })
  expect(clock.pendingTimers).toBe(0)
})

test('a stream that is abandoned while the tenant is resolved ends at once, and opens nothing later', async () => {
  for (const stream of [
    manager.tenant('acme').stream('select 1'),
    manager.tenant('acme').copyTo(COPY),
  ]) {
    const first = stream.next()
    await clock.settle()
    await stream.return()
    expect(await first).toEqual({ done: true, value: undefined })
  }
  answer({ database: 'acme' })
  await clock.settle()
  expect(driver.attempts).toBe(0)
})

test('the pool of the tenant gets what is left of timeoutMs', async () => {
  const call = manager.tenant('acme').query('select 1', [], { timeoutMs: 500 })
  const end = ended(call)
  await clock.advance(400)
  isAway = true
  answer({ database: 'acme' })
  await clock.advance(99)
  expect(end.error).toBeUndefined()
  await clock.advance(1)
  expect(end.error).toMatchObject({ name: 'AcquireTimeoutError', executed: 'no' })
})

test('T91: every call of a tenant rejects wrong arguments, and none throws', async () => {
  const tenant = manager.tenant('acme')
  const wrong = 5 as never
  const scope = { idempotencyKey: 'k', idempotencyScope: 'other' }
  for (const call of [
    () => tenant.query(wrong),
    () => tenant.use(wrong),
    () => tenant.transaction(wrong),
    () => tenant.transaction(work, scope),
    () => tenant.acquire({ nonsense: 1 } as never),
    () => tenant.copyFrom('select', []),
    () => tenant.listen('', () => undefined),
  ]) {
    await expect(call()).rejects.toThrow(/^(?:query|use|transaction|acquire|copyFrom|listen)/)
  }
})
