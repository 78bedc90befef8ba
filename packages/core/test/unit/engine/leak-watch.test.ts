import { expect, test } from 'vitest'
import { LeakWatch } from '../../../src/engine/leak-watch.js'
import type { Lease } from '../../../src/index.js'
import { Slot } from '../../../src/slot/slot.js'

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
  const hub = { emit: (_name: string, { heldMs }: { heldMs: number }) => reported.push(heldMs) }
  const engine = { name: 'test', config: { leakWarningMs }, recorder: { leaks: 0 }, hub }
  return { watch: new LeakWatch(engine as never), reported }
}

test('remembers the stack of one acquire in 128, and of no more than one in 10 ms', () => {
  const { watch } = watchLeaks(0)
  const slot = new Slot(1, 0)
  expect(lend(watch, slot, 0, 1)).toBe(1)
  expect(lend(watch, slot, 1, 1_000)).toBe(0)
  expect(lend(watch, slot, 10, 1)).toBe(1)
  expect(lend(watch, slot, 100, 127)).toBe(0)
  expect(lend(watch, slot, 100, 1_000)).toBe(1)
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
