import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Waiter, WaitQueue } from '../../../src/engine/wait-queue.js'
import type { AcceptsServer } from '../../../src/server/server-identity.js'
import type { Slot } from '../../../src/slot/slot.js'

class Caller extends Waiter {
  readonly id: number

  constructor(id: number, priority = 0, accepts?: AcceptsServer) {
    super(priority)
    this.id = id
    this.accepts = accepts
  }

  override receive(): void {}
  override refuse(): void {}
  override expire(): void {}
}

function drain(queue: WaitQueue): number[] {
  const ids: number[] = []
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
    ids.push((next as Caller).id)
  }
  return ids
}

test('serves callers of one priority in the order of their arrival', () => {
  const queue = new WaitQueue()
  for (const id of [1, 2, 3]) queue.push(new Caller(id))
  expect(queue.size).toBe(3)
  expect(drain(queue)).toEqual([1, 2, 3])
  expect(queue.size).toBe(0)
})

test('serves higher priorities first, whenever they came', () => {
  const queue = new WaitQueue()
  queue.push(new Caller(1, 0))
  queue.push(new Caller(2, -5))
  queue.push(new Caller(3, 7))
  queue.push(new Caller(4, 3))
  queue.push(new Caller(5, 7))
  expect(drain(queue)).toEqual([3, 5, 4, 1, 2])
})

test('lets a caller leave from any place, once', () => {
  const queue = new WaitQueue()
  const callers = [1, 2, 3, 4].map((id) => new Caller(id))
  for (const caller of callers) queue.push(caller)
  expect(queue.remove(callers[1]!)).toBe(true)
  expect(queue.remove(callers[1]!)).toBe(false)
  expect(queue.remove(callers[0]!)).toBe(true)
  expect(queue.remove(callers[3]!)).toBe(true)
  expect(queue.size).toBe(1)
  queue.push(new Caller(9))
  expect(drain(queue)).toEqual([3, 9])
})

test('agrees with a sorted list for random arrivals, departures and hand-offs', () => {
  const step = fc.record({
    kind: fc.constantFrom('push', 'push', 'remove', 'shift'),
    priority: fc.integer({ min: -2, max: 2 }),
    pick: fc.nat(),
  })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      const queue = new WaitQueue()
      const model: Caller[] = []
      let id = 0
      for (const { kind, priority, pick } of steps) {
        if (kind === 'push') {
          const caller = new Caller(id++, priority)
          queue.push(caller)
          const behind = model.findIndex((other) => other.priority < priority)
          model.splice(behind === -1 ? model.length : behind, 0, caller)
        } else if (kind === 'remove' && model.length > 0) {
          const [caller] = model.splice(pick % model.length, 1) as [Caller]
          expect(queue.remove(caller)).toBe(true)
        } else if (kind === 'shift') {
          expect((queue.shift() as Caller | undefined)?.id).toBe(model.shift()?.id)
        }
        expect(queue.size).toBe(model.length)
      }
      expect(drain(queue)).toEqual(model.map((caller) => caller.id))
    }),
  )
})

test('knows whether a waiter accepts a connection, and who wants a certain server', () => {
  const [a, b] = [{ server: 'a' }, { server: 'b' }] as unknown as Slot[]
  const only =
    (wanted: string): AcceptsServer =>
    (server) =>
      (server as unknown as string) === wanted
  const queue = new WaitQueue()
  expect([queue.wants(a!), queue.choosyOnes()]).toEqual([false, []])
  const first = new Caller(1, 0, only('a'))
  const second = new Caller(2, 5, only('a'))
  queue.push(first)
  queue.push(second)
  expect([queue.wants(a!), queue.wants(b!)]).toEqual([true, false])
  expect(queue.choosyOnes()).toEqual([second, first])
  const any = new Caller(3)
  queue.push(any)
  expect(queue.wants(b!)).toBe(true)
  expect(queue.choosyOnes()).toEqual([second, first])
  for (const gone of [first, second]) queue.remove(gone)
  expect([queue.wants(a!), queue.choosyOnes()]).toEqual([true, []])
})
