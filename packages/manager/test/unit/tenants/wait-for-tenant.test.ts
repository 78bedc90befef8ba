import { virtualClock } from '@poolhouse/core/testing'
import { expect, test } from 'vitest'
import type { Tenant } from '../../../src/tenants/tenant.js'
import { waitForTenant } from '../../../src/tenants/wait-for-tenant.js'

const tenant = {} as Tenant

test('a call that is aborted already, or while it waits, does not wait for its tenant', async () => {
  const clock = virtualClock()
  const never = new Promise<Tenant>(() => undefined)
  const wait = (signal: AbortSignal): Promise<Tenant> =>
    waitForTenant(never, 'acme', { signal, timeoutMs: 100 } as never, clock)
  const aborted = { name: 'AbortError', cause: 'enough', executed: 'no' }
  await expect(wait(AbortSignal.abort('enough'))).rejects.toMatchObject(aborted)
  const ends = new AbortController()
  const waiting = expect(wait(ends.signal)).rejects.toMatchObject(aborted)
  ends.abort('enough')
  await waiting
  expect(clock.pendingTimers).toBe(0)
})

test('a call whose time is over says that the tenant is not known yet', async () => {
  const clock = virtualClock()
  const never = new Promise<Tenant>(() => undefined)
  const call = waitForTenant(never, 'acme', { timeoutMs: 100 } as never, clock)
  const late = expect(call).rejects.toThrow(/tenants\.resolve\(\) has not answered/)
  await clock.advance(100)
  await late
})

test('a tenant that is found ends the wait, and so does a look-up that fails', async () => {
  const clock = virtualClock()
  const limits = { timeoutMs: 100 } as never
  expect(await waitForTenant(Promise.resolve(tenant), 'acme', limits, clock)).toBe(tenant)
  expect(await waitForTenant(Promise.resolve(tenant), 'acme', {} as never, clock)).toBe(tenant)
  const error = new Error('no such tenant')
  await expect(waitForTenant(Promise.reject(error), 'acme', limits, clock)).rejects.toBe(error)
  expect(clock.pendingTimers).toBe(0)
})
