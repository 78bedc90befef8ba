import { expect, test } from 'vitest'
import { Backoff } from '../../../src/base/backoff.js'

function delays(random: () => number): number[] {
  const backoff = new Backoff({ baseMs: 50, maxMs: 5_000, random })
  return Array.from({ length: 10 }, () => backoff.next())
}

test('doubles from the base to the limit, and never waits longer than that', () => {
  const nominal = [50, 100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000, 5_000]
  expect(delays(() => 0)).toEqual(nominal.map((ms) => ms / 2))
  const longest = delays(() => 0.999_999)
  expect(longest.every((ms, index) => ms <= nominal[index]! && ms > nominal[index]! * 0.99)).toBe(
    true,
  )
})

test('starts again from the base after a success', () => {
  const backoff = new Backoff({ baseMs: 50, maxMs: 5_000, random: () => 0 })
  backoff.next()
  backoff.next()
  expect(backoff.failures).toBe(2)
  backoff.reset()
  expect(backoff.failures).toBe(0)
  expect(backoff.next()).toBe(25)
})

test('stays finite after a thousand failures', () => {
  const backoff = new Backoff({ baseMs: 50, maxMs: 5_000, random: () => 0 })
  for (let round = 0; round < 1_000; round++) backoff.next()
  expect(backoff.next()).toBe(2_500)
})
