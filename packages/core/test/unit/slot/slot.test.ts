import { describe, expect, it, test } from 'vitest'
import type { DriverConnection } from '../../../src/api/driver.js'
import { Slot } from '../../../src/slot/slot.js'
import type { SlotState } from '../../../src/slot/slot-steps.js'

const steps: Record<Exclude<SlotState, 'connecting'>, (slot: Slot) => void> = {
  leased: (slot) => slot.lend(1),
  idle: (slot) => slot.rest(1),
  validating: (slot) => slot.validate(),
  cleaning: (slot) => slot.beginCleaning(),
  closing: (slot) => slot.close('a reason'),
  gone: (slot) => slot.lose('a reason'),
}
type Step = keyof typeof steps

/** How each state is reached from `connecting`, and what may follow it. */
const life: Record<SlotState, { by: readonly Step[]; next: readonly Step[] }> = {
  connecting: { by: [], next: ['leased', 'idle', 'closing', 'gone'] },
  leased: { by: ['leased'], next: ['leased', 'idle', 'cleaning', 'closing', 'gone'] },
  idle: { by: ['idle'], next: ['leased', 'idle', 'validating', 'cleaning', 'closing', 'gone'] },
  validating: { by: ['idle', 'validating'], next: ['leased', 'idle', 'closing', 'gone'] },
  cleaning: { by: ['leased', 'cleaning'], next: ['leased', 'idle', 'closing', 'gone'] },
  closing: { by: ['idle', 'closing'], next: ['gone'] },
  gone: { by: ['gone'], next: ['gone'] },
}

function slotIn(state: SlotState): Slot {
  const slot = new Slot(1, 0)
  for (const step of life[state].by) steps[step](slot)
  return slot
}

describe.each(Object.keys(life) as SlotState[])('a connection that is %s', (state) => {
  it.each(Object.keys(steps) as Step[])(
    'becomes %s only where the diagram has an arrow',
    (step) => {
      const slot = slotIn(state)
      expect(slot.state).toBe(state)
      if (life[state].next.includes(step)) {
        steps[step](slot)
        expect(slot.state).toBe(step)
      } else {
        expect(() => steps[step](slot)).toThrow(
          `connection 1 is ${state} and cannot become ${step}`,
        )
        expect(slot.state).toBe(state)
      }
    },
  )
})

test('keeps the first reason for its end', () => {
  const slot = slotIn('leased')
  slot.markLost('first')
  expect(slot.over).toBe(true)
  slot.lose('second')
  expect(slot.lostReason).toBe('first')
  expect(slot.lostError().message).toBe(
    'the connection is gone: first; see POOLHOUSE_CONNECTION_LOST',
  )
})

test('gives its permit back once', () => {
  let given = 0
  const seat = { giveBack: () => given++ } as never
  const slot = new Slot(1, 0, seat)
  slot.returnPermit()
  slot.returnPermit()
  expect(given).toBe(1)
})

test('is quiet once nothing is in flight, no work occupies it and no cancel request is under way', async () => {
  const slot = slotIn('leased')
  const connection = { inFlight: 1 }
  slot.opened(connection as unknown as DriverConnection, new Map(), undefined, false)
  slot.beginCancel()
  slot.occupy({ kind: 'stream', asking: false, taken: 0, lost() {}, interrupt() {} })
  let quiet = false
  const waiting = slot.whenQuiet().then(() => {
    quiet = true
  })
  for (const step of [
    () => {
      connection.inFlight = 0
    },
    () => slot.vacate(),
  ]) {
    step()
    slot.recheckQuiet()
    await Promise.resolve()
    expect(quiet).toBe(false)
  }
  slot.endCancel()
  slot.recheckQuiet()
  await waiting
})

test('tells its occupant and its signal that it is gone', async () => {
  const slot = slotIn('leased')
  let told = 0
  slot.occupy({ kind: 'copyTo', asking: true, taken: 0, lost: () => told++, interrupt() {} })
  const { signal } = slot
  slot.lose('cut')
  expect(told).toBe(1)
  // A listener of the signal is user code, which must not run within a state change.
  expect(signal.aborted).toBe(false)
  await Promise.resolve()
  expect(signal.reason).toBe('cut')
  expect(slot.signal.aborted).toBe(true)
})

test('is reset before its use for a borrower who asks for that, unless it is fresh or its driver cannot', () => {
  const due = (uses: number, connection: object): boolean => {
    const slot = slotIn('idle')
    slot.opened(connection as DriverConnection, new Map(), undefined, false)
    for (let use = 0; use < uses; use++) slot.lend(use)
    slot.resetAround()
    return slot.marks.takeReset()
  }
  const able = { resetFirst: () => {} }
  expect([due(1, able), due(2, able), due(1, {}), due(2, {})]).toEqual([false, true, false, false])
})
