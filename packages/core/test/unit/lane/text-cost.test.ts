import { describe, expect, it } from 'vitest'
import { TextCost } from '../../../src/lane/text-cost.js'

function known(ms: number): TextCost {
  const cost = new TextCost(true)
  cost.learn(ms)
  return cost
}

describe('what a text costs', () => {
  it('is not known before its first answer, so that it is not quick', () => {
    const cost = new TextCost(true)
    expect([cost.ms, cost.isQuick]).toEqual([-1, false])
  })

  it('is known with the first answer, also from one that was late', () => {
    expect(known(3).ms).toBe(3)
    const late = new TextCost(true)
    expect(late.learn(3, true)).toBe(true)
    expect(late.ms).toBe(3)
  })

  it('is never less than nothing', () => {
    expect(known(-0.4).ms).toBe(0)
    expect(known(-0.4).isQuick).toBe(true)
  })

  it('falls by half of the difference, and rises by a twentieth at most', () => {
    const cost = known(8)
    cost.learn(4)
    expect(cost.ms).toBe(6)
    cost.learn(500)
    expect(cost.ms).toBeCloseTo(6.302)
    cost.learn(6.31)
    expect(cost.ms).toBeCloseTo(6.31)
  })

  it('does not rise by an answer that says only how long it took at most', () => {
    const cost = known(2)
    cost.learn(50, true)
    expect(cost.ms).toBe(2)
    cost.learn(1, true)
    expect(cost.ms).toBe(1.5)
  })

  it('rises from nothing', () => {
    const cost = known(0)
    cost.learn(5)
    expect(cost.ms).toBeGreaterThan(0)
  })

  it('is quick below ten milliseconds', () => {
    expect([known(9.99).isQuick, known(10).isQuick]).toEqual([true, false])
  })

  it('is not quick while it keeps others waiting, and is after some quick answers', () => {
    const cost = known(1)
    cost.stall(1_000)
    expect([cost.ms, cost.isQuick]).toEqual([1_000, false])
    for (let answer = 0; answer < 7; answer++) cost.learn(1)
    expect(cost.isQuick).toBe(true)
  })

  it('tells once that a text has turned out to be quick', () => {
    const cost = new TextCost(true)
    expect(cost.learn(30)).toBe(false)
    expect(cost.learn(5)).toBe(false)
    expect(cost.learn(1)).toBe(true)
    expect(cost.learn(1)).toBe(false)
    for (let answer = 0; answer < 100; answer++) cost.learn(40)
    expect(cost.isQuick).toBe(false)
    const told = [0, 0, 0, 0, 0].map((ms) => cost.learn(ms))
    expect(told.filter(Boolean)).toHaveLength(1)
    expect(cost.isQuick).toBe(true)
  })
})
