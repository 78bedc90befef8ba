import { expect, test } from 'vitest'
import type { Seat } from '../../../src/budget/seat.js'
import { WaitingSeats } from '../../../src/budget/waiting-seats.js'

interface Fake {
  held: number
  share: number
  wants: number
  place: object
  waitingSince?: number
}

const place = {}

function seat(fake: Partial<Fake> = {}): Seat & Fake {
  const made = { held: 0, share: 0, wants: 1, place, ...fake }
  return Object.assign(made, { pool: { wanted: () => made.wants } }) as unknown as Seat & Fake
}

function waiting(...seats: Seat[]): WaitingSeats {
  const queue = new WaitingSeats()
  for (const [at, each] of seats.entries()) queue.add(each, at)
  return queue
}

test('pools without a permit come first, in order, then the poorest of the others', () => {
  const [rich, first, poor, second] = [
    seat({ held: 4, share: 4 }),
    seat(),
    seat({ held: 1, share: 1 }),
    seat(),
  ]
  const queue = waiting(rich, first, poor, second)
  expect(queue.size).toBe(4)
  expect([0, 1, 2, 3, 4].map((served) => queue.next(served))).toEqual([
    first,
    second,
    poor,
    rich,
    undefined,
  ])
  expect(queue.next(0, first)).toBe(second)
  expect(queue.next(1, first)).toBe(poor)
  expect(queue.next(2, poor)).toBe(rich)
  expect(queue.next(3, poor)).toBeUndefined()
})

test('a pool keeps its position and the time since when it waits', () => {
  const [one, two] = [seat(), seat()]
  const queue = waiting(one, two)
  queue.add(one, 9)
  expect([one.waitingSince, queue.next(), queue.size]).toEqual([0, one, 2])
  queue.delete(one)
  expect([queue.has(one), queue.next()]).toEqual([false, two])
  queue.add(one, 9)
  expect([one.waitingSince, queue.next()]).toEqual([9, two])
})

test('pools that want nothing any more are dropped', () => {
  const [empty, other, next] = [seat({ wants: 0 }), seat({ held: 1, wants: 0 }), seat({ held: 2 })]
  const queue = waiting(empty, other, next)
  expect(queue.next()).toBe(next)
  expect([queue.size, queue.has(empty), queue.has(other)]).toEqual([1, false, false])
})

test('the pools that wait for one place are found in order', () => {
  const elsewhere = {}
  const [one, two, three] = [seat({ held: 1 }), seat(), seat({ place: elsewhere })]
  const queue = waiting(one, two, three)
  expect(queue.of(place as never)).toEqual([two, one])
  expect(queue.of(elsewhere as never)).toEqual([three])
})
