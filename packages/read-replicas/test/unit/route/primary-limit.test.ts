import type { Pool } from '@poolhouse/core'
import { virtualClock } from '@poolhouse/core/testing'
import { expect, test } from 'vitest'
import { PrimaryLimit } from '../../../src/route/primary-limit.js'

function setUp(share: number) {
  const clock = virtualClock()
  let max = 10
  let asked = 0
  const stats = () => {
    asked++
    return { max }
  }
  const limit = new PrimaryLimit({ stats } as unknown as Pool, share, clock)
  const resize = (to: number): void => {
    max = to
  }
  return { clock, limit, resize, asked: () => asked }
}

test('reads may hold their share of the connections of the primary, rounded down, and at least one', () => {
  expect(setUp(0.35).limit.current()).toBe(3)
  expect(setUp(0.01).limit.current()).toBe(1)
  expect(setUp(1).limit.current()).toBe(10)
  const none = setUp(0)
  expect([none.limit.current(), none.asked()]).toEqual([0, 0])
})

test('the size of the pool is read once a second', async () => {
  const { clock, limit, resize, asked } = setUp(0.5)
  await clock.advance(5_000)
  expect(limit.current()).toBe(5)
  resize(4)
  await clock.advance(999)
  expect([limit.current(), asked()]).toEqual([5, 1])
  await clock.advance(1)
  expect([limit.current(), asked()]).toEqual([2, 2])
})
