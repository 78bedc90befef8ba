import { AbortError, NoSuitableNodeError } from '@poolhouse/core'
import { describe, expect, test } from 'vitest'
import { Background } from '../../../src/base/background.js'
import { type GateWait, PrimaryGate } from '../../../src/route/primary-gate.js'
import { ManualClock, settle } from '../manual-clock.js'

const clock = (): ManualClock => new ManualClock()
const wait = (more: Partial<GateWait> = {}): GateWait => ({
  deadline: 1_000,
  signal: undefined,
  fits: () => false,
  why: () => '"b": it is ejected',
  ...more,
})

function gateOf(limit: number, time: ManualClock = clock()): PrimaryGate {
  return new PrimaryGate(new Background('db', time), () => limit)
}

describe('PrimaryGate', () => {
  test('admits reads up to the limit, and the others one by one in order of arrival', async () => {
    const gate = gateOf(2)
    const order: string[] = []
    for (const name of ['first', 'second', 'third', 'fourth']) {
      void gate.enter(wait()).then(() => order.push(name))
    }
    await settle()
    expect(order).toEqual(['first', 'second'])
    gate.leave()
    await settle()
    expect(order).toEqual(['first', 'second', 'third'])
    gate.leave()
    gate.leave()
    await settle()
    expect(order).toEqual(['first', 'second', 'third', 'fourth'])
    expect(gate.inside).toBe(1)
  })

  test('keeps the order when the limit grows', async () => {
    let limit = 1
    const gate = new PrimaryGate(new Background('db', clock()), () => limit)
    const order: string[] = []
    const enter = (name: string): void => void gate.enter(wait()).then(() => order.push(name))
    enter('first')
    enter('second')
    limit = 2
    enter('third')
    await settle()
    expect(order).toEqual(['first', 'second'])
    gate.leave()
    await settle()
    expect(order).toEqual(['first', 'second', 'third'])
  })

  test('rejects at the deadline with the reasons against each replica', async () => {
    const time = clock()
    const gate = gateOf(1, time)
    await gate.enter(wait())
    const late = gate.enter(wait({ deadline: 500 }))
    const later = gate.enter(wait({ deadline: 800 }))
    const rejection = expect(late).rejects.toThrow(
      'no replica fits the read ("b": it is ejected) and the primary takes no more reads: 1 of 1 places are taken',
    )
    await time.advance(500)
    await rejection
    gate.leave()
    await expect(later).resolves.toBe('primary')
    expect(time.pending).toBe(0)
  })

  test('rejects at once when the limit is 0, and when a thousand reads wait', async () => {
    await expect(gateOf(0).enter(wait())).rejects.toThrow(NoSuitableNodeError)
    const gate = gateOf(1)
    await gate.enter(wait())
    const waiting = Array.from({ length: 1_000 }, () => gate.enter(wait()))
    await expect(gate.enter(wait())).rejects.toThrow('1000 reads already wait for it')
    gate.close(() => new Error('closed'))
    for (const end of await Promise.allSettled(waiting)) expect(end.status).toBe('rejected')
  })

  test('rejects with AbortError when the signal fires, and gives no place away twice', async () => {
    const gate = gateOf(1)
    await gate.enter(wait())
    const abort = new AbortController()
    const aborted = gate.enter(wait({ signal: abort.signal }))
    const next = gate.enter(wait())
    abort.abort('enough')
    await expect(aborted).rejects.toThrow(AbortError)
    gate.leave()
    await expect(next).resolves.toBe('primary')
    expect(gate.inside).toBe(1)
  })

  test('sends waiting reads to a replica that fits by now', async () => {
    const gate = gateOf(1)
    await gate.enter(wait())
    let fits = false
    const patient = gate.enter(wait({ fits: () => fits }))
    const picky = gate.enter(wait())
    gate.reconsider()
    fits = true
    gate.reconsider()
    await expect(patient).resolves.toBe('replica')
    gate.leave()
    await expect(picky).resolves.toBe('primary')
  })
})
