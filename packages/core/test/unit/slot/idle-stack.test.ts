import fc from 'fast-check'
import { expect, test } from 'vitest'
import { IdleStack } from '../../../src/slot/idle-stack.js'
import { Slot } from '../../../src/slot/slot.js'

test('keeps the most recently used connection on top and the longest idle one at the bottom', () => {
  const stack = new IdleStack()
  const [a, b] = [new Slot(1, 0), new Slot(2, 0)]
  stack.push(a)
  stack.push(b)
  expect([stack.top, stack.bottom, stack.size]).toEqual([b, a, 2])
  stack.remove(b)
  expect([stack.top, stack.bottom, stack.size]).toEqual([a, a, 1])
  stack.remove(a)
  expect([stack.top, stack.bottom, stack.size]).toEqual([undefined, undefined, 0])
})

test('agrees with an array for random pushes and removals from any place', () => {
  fc.assert(
    fc.property(fc.array(fc.option(fc.nat(), { nil: undefined }), { maxLength: 60 }), (steps) => {
      const stack = new IdleStack()
      const model: Slot[] = []
      let id = 0
      for (const pick of steps) {
        if (pick === undefined || model.length === 0) {
          const slot = new Slot(id++, 0)
          stack.push(slot)
          model.push(slot)
        } else {
          const [slot] = model.splice(pick % model.length, 1) as [Slot]
          stack.remove(slot)
        }
        expect([stack.top, stack.bottom, stack.size]).toEqual([
          model.at(-1),
          model[0],
          model.length,
        ])
      }
      const order: Slot[] = []
      for (let slot = stack.top; slot !== undefined; slot = slot.below) order.unshift(slot)
      expect(order).toEqual(model)
    }),
  )
})
