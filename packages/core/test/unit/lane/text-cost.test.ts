import { describe, expect, it } from 'vitest'
import { TextCost } from '../../../src/lane/text-cost.js'

function met(): TextCost {
  const cost = new TextCost(() => true)
  cost.met()
  cost.met()
  return cost
}

function known(ms: number): TextCost {
  const cost = met()
  cost.learn(ms)
  return cost
}

describe('what a text costs', () => {
  it('is not known before its first answer, so that it is not quick', () => {
    const cost = met()
    expect([cost.ms, cost.isQuick]).toEqual([-1, false])
  })

  it('is looked at only if it comes back, and then once', () => {
    let looks = 0
    const cost = new TextCost(() => {
      looks++
      return false
    })
    cost.met()
    expect([looks, cost.shares]).toEqual([0, undefined])
    cost.learn(0.1)
    expect(cost.isQuick).toBe(false)
    cost.met()
    cost.met()
    expect([looks, cost.shares, cost.isQuick]).toEqual([1, false, false])
  })

  it('is known with the first answer, and sure with the first that says it exactly', () => {
    expect(known(3)).toMatchObject({ ms: 3, isSure: true })
    const cost = met()
    expect(cost.learn(0.2, 3)).toBe(true)
    expect(cost).toMatchObject({ ms: 0.2, isSure: false })
    cost.learn(1, 4)
    expect(cost).toMatchObject({ ms: 1, isSure: false })
    cost.learn(6)
    expect(cost).toMatchObject({ ms: 6, isSure: true })
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
    cost.learn(0, 50)
    expect(cost.ms).toBe(2)
    cost.learn(0, 1)
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
    const cost = met()
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
