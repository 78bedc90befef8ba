import { virtualClock } from '@poolhouse/core/testing'
import { expect, test } from 'vitest'
import { TenantGate } from '../../../src/tenants/tenant-gate.js'

function setUp() {
  const clock = virtualClock()
  const gate = new TenantGate('acme', clock, { max: 1, maxPending: 1, timeoutMs: 100 })
  const lefts: (number | undefined)[] = []
  const run = (timeoutMs?: number, signal?: AbortSignal): Promise<void> =>
    gate.run({ timeoutMs, signal }, async (left) => {
      lefts.push(left)
      await new Promise<void>((done) => clock.setTimer(done, 30))
    })
  return { clock, gate, lefts, run }
}

test('calls of a tenant take turns, with what is left of their time', async () => {
  const { clock, gate, lefts, run } = setUp()
  const calls = [run(), run(50)]
  expect(gate.size).toBe(2)
  await clock.advance(30)
  expect(gate.size).toBe(1)
  await clock.advance(30)
  await Promise.all(calls)
  expect([lefts, gate.size, clock.pendingTimers]).toEqual([[undefined, 20], 0, 0])
})

test('one call too many is refused, and says how many are under way', async () => {
  const { clock, run } = setUp()
  const calls = [run(), run()]
  await expect(run()).rejects.toMatchObject({
    name: 'PoolOverloadedError',
    executed: 'no',
    message: expect.stringContaining('maxPending is 1'),
  })
  await clock.advance(100)
  await Promise.all(calls)
})

test('a call that waits in vain gives up in time or when its signal fires, and takes no turn', async () => {
  const { clock, gate, lefts } = setUp()
  let free: (() => void) | undefined
  const holder = gate.run({}, () => new Promise<void>((done) => (free = done)))
  const late = gate.run({}, async (left) => lefts.push(left))
  const refused = expect(late).rejects.toMatchObject({
    name: 'AcquireTimeoutError',
    executed: 'no',
  })
  await clock.advance(100)
  await refused
  const ends = new AbortController()
  const aborted = expect(
    gate.run({ signal: ends.signal }, async (left) => lefts.push(left)),
  ).rejects.toMatchObject({ name: 'AbortError', cause: 'enough', executed: 'no' })
  ends.abort('enough')
  await aborted
  await expect(
    gate.run({ signal: ends.signal }, async (left) => lefts.push(left)),
  ).rejects.toMatchObject({ name: 'AbortError', cause: 'enough' })
  free!()
  await holder
  expect([lefts, gate.size, clock.pendingTimers]).toEqual([[], 0, 0])
})
