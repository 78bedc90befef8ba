import fc from 'fast-check'
import { expect, test } from 'vitest'
import { DeadlineQueue, Timed } from '../../../src/base/deadline-queue.js'

class Entry extends Timed {
  readonly id: number
  readonly expired: number[]

  constructor(id: number, expired: number[]) {
    super()
    this.id = id
    this.expired = expired
  }

  override expire(): void {
    this.expired.push(this.id)
  }
}

test('expires entries of one duration in the order of their deadlines', () => {
  const queue = new DeadlineQueue()
  const expired: number[] = []
  queue.add(new Entry(1, expired), 0, 10)
  queue.add(new Entry(2, expired), 5, 10)
  expect(queue.nextAt()).toBe(10)
  expect(queue.expire(10, 100)).toBe(false)
  expect(expired).toEqual([1])
  expect(queue.nextAt()).toBe(15)
})

test('keeps order when fractions of a millisecond share a list', () => {
  const queue = new DeadlineQueue()
  const expired: number[] = []
  queue.add(new Entry(1, expired), 0, 9.9)
  queue.add(new Entry(2, expired), 0, 9.1)
  queue.add(new Entry(3, expired), 0, 9.5)
  queue.expire(9.1, 100)
  expect(expired).toEqual([2])
  queue.expire(10, 100)
  expect(expired).toEqual([2, 3, 1])
})

test('does not expire an entry that was removed, and removing twice does nothing', () => {
  const queue = new DeadlineQueue()
  const expired: number[] = []
  const entries = [1, 2, 3].map((id) => new Entry(id, expired))
  for (const entry of entries) queue.add(entry, 0, 10)
  queue.remove(entries[1]!)
  queue.remove(entries[1]!)
  queue.expire(10, 100)
  expect(expired).toEqual([1, 3])
  expect(queue.nextAt()).toBe(Number.POSITIVE_INFINITY)
})

test('expires at most the given number and reports that more are due', () => {
  const queue = new DeadlineQueue()
  const expired: number[] = []
  for (let id = 0; id < 5; id++) queue.add(new Entry(id, expired), 0, 10 + (id % 2))
  expect(queue.expire(100, 3)).toBe(true)
  expect(expired).toHaveLength(3)
  expect(queue.expire(100, 3)).toBe(false)
  expect(expired).toHaveLength(5)
})

test('lets an entry that expires be added again at once', () => {
  const queue = new DeadlineQueue()
  let rounds = 0
  class Again extends Timed {
    override expire(now: number): void {
      if (++rounds < 3) queue.add(this, now, 10)
    }
  }
  queue.add(new Again(), 0, 10)
  for (const now of [10, 20, 30, 40]) queue.expire(now, 100)
  expect(rounds).toBe(3)
})

test('agrees with a sorted list for random additions, removals and passing time', () => {
  const step = fc.record({
    kind: fc.constantFrom('add', 'add', 'remove', 'expire'),
    ms: fc.integer({ min: 0, max: 40 }).map((n) => n / 4),
    pick: fc.nat(),
  })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const queue = new DeadlineQueue()
      const expired: number[] = []
      let model: { at: number; entry: Entry }[] = []
      let now = 0
      let id = 0
      for (const { kind, ms, pick } of steps) {
        if (kind === 'add') {
          const entry = new Entry(id++, expired)
          queue.add(entry, now, ms)
          model.push({ at: now + ms, entry })
        } else if (kind === 'remove' && model.length > 0) {
          const [removed] = model.splice(pick % model.length, 1)
          queue.remove(removed!.entry)
        } else if (kind === 'expire') {
          now += ms
          expired.length = 0
          queue.expire(now, 1_000)
          const due = model.filter(({ at }) => at <= now).map(({ entry }) => entry.id)
          expect(expired.toSorted((a, b) => a - b)).toEqual(due.toSorted((a, b) => a - b))
          model = model.filter(({ at }) => at > now)
        }
        expect(queue.nextAt()).toBe(
          Math.min(Number.POSITIVE_INFINITY, ...model.map(({ at }) => at)),
        )
      }
    }),
  )
})
