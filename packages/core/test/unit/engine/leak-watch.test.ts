import { afterEach, expect, test, vi } from 'vitest'
import { LeakWatch } from '../../../src/engine/leak-watch.js'
import type { Lease } from '../../../src/index.js'
import { Slot } from '../../../src/slot/slot.js'
import { harness, watch as watchEnd } from '../../harness.js'

const lease = {} as Lease

/**
 * Lends one place again and again within one moment; returns how many acquires remembered where
 * they came from.
 */
function lend(watch: LeakWatch, slot: Slot, at: number, times: number): number {
  let sampled = 0
  for (let i = 0; i < times; i++) {
    slot.lend(at)
    watch.made(slot, lease, undefined)
    if (slot.acquireStack !== undefined) sampled++
    watch.ended(slot)
  }
  return sampled
}

/** A watch over one pool, and how long each reported lease had been out. */
function watchLeaks(leakWarningMs: number): { watch: LeakWatch; reported: number[] } {
  const reported: number[] = []
  const hub = {
    has: () => true,
    emit: (_name: string, { heldMs }: { heldMs: number }) => reported.push(heldMs),
  }
  const clock = { now: () => 0 }
  const engine = { name: 'test', config: { leakWarningMs }, recorder: { leaks: 0 }, hub, clock }
  return { watch: new LeakWatch(engine as never), reported }
}

test('T121: remembers the stack of the first acquires, and of no more than a hundred a second', () => {
  const { watch } = watchLeaks(0)
  const slot = new Slot(1, 0)
  expect(lend(watch, slot, 0, 1)).toBe(1)
  expect(lend(watch, slot, 1, 1_000)).toBe(100)
  expect(lend(watch, slot, 11, 1_000)).toBe(1)
  expect(lend(watch, slot, 511, 1_000)).toBe(50)
  expect(lend(watch, slot, 60_000, 1_000)).toBe(100)
})

test('remembers the stack of every acquire once a leak was seen, however many there are', () => {
  const { watch, reported } = watchLeaks(40)
  const slot = new Slot(1, 0)
  watch.made(slot, lease, undefined)
  watch.check(slot, 50)
  watch.check(slot, 60)
  expect(reported).toEqual([50])
  watch.ended(slot)
  expect(lend(watch, slot, 100, 500)).toBe(500)
})

/** Stands for the garbage collector: it collects what it is told to. */
class Collector {
  static made: Collector[] = []
  readonly held = new Map<unknown, unknown>()
  readonly #collected: (held: unknown) => void

  constructor(collected: (held: unknown) => void) {
    this.#collected = collected
    Collector.made.push(this)
  }

  register(_target: object, held: unknown, token: unknown): void {
    this.held.set(token, held)
  }

  unregister(token: unknown): void {
    this.held.delete(token)
  }

  collect(held: unknown): void {
    this.#collected(held)
  }
}

afterEach(() => vi.unstubAllGlobals())

/** A pool of one connection, lent for a round of upkeep, and what its collector knows then. */
async function lendForLong() {
  Collector.made = []
  vi.stubGlobal('FinalizationRegistry', Collector)
  const made = harness({ max: 1 })
  const leaks: unknown[] = []
  made.pool.on('leak', ({ collected, heldMs }) => leaks.push({ collected, heldMs }))
  const lease = watchEnd(made.pool.acquire())
  await made.clock.advance(2_500)
  const [collector] = Collector.made
  const [held] = [...(collector?.held.values() ?? [])]
  return { ...made, leaks, lease: lease.value!, collector: collector!, held }
}

test('takes a lease back that was collected, once its statement has ended', async () => {
  const { clock, pool, leaks, lease, collector, held } = await lendForLong()
  const answer = watchEnd(lease.query('select 1'))
  collector.collect(held)
  expect(pool.stats()).toMatchObject({ leased: 1, counters: { leaks: 1 } })
  await clock.settle()
  expect(leaks).toEqual([{ collected: true, heldMs: 2_500 }])
  expect(answer.state).toBe('resolved')
  expect(pool.stats()).toMatchObject({ leased: 0, idle: 1 })
})

test('takes no connection from its next borrower because an earlier lease was collected', async () => {
  const { clock, pool, leaks, lease, collector, held } = await lendForLong()
  lease.release()
  expect(collector.held.size).toBe(0)
  collector.collect(held)
  const next = watchEnd(pool.acquire())
  await clock.settle()
  collector.collect(held)
  await clock.settle()
  expect(leaks).toEqual([])
  expect(pool.stats()).toMatchObject({ leased: 1 })
  expect(next.state).toBe('resolved')
})

test('does not take back what was released while its last statement still ran', async () => {
  const { clock, pool, lease, collector, held } = await lendForLong()
  watchEnd(lease.query('select 1'))
  collector.collect(held)
  lease.release()
  const next = watchEnd(pool.acquire())
  await clock.settle()
  expect(next.state).toBe('resolved')
  expect(pool.stats()).toMatchObject({ leased: 1 })
})

test("a caller that took the driver's own object keeps the connection without the lease", async () => {
  Collector.made = []
  vi.stubGlobal('FinalizationRegistry', Collector)
  const { clock, pool } = harness({ max: 1 })
  const lease = watchEnd(pool.acquire())
  await clock.settle()
  void lease.value!.raw
  await clock.advance(2_500)
  expect(Collector.made).toEqual([])
})
